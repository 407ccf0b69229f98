import type { Carried } from '../../protocol/core/carried.ts'
import type { ChangeRequest, ChangeResult, ProposerEffect } from '../../protocol/core/change.ts'
import { LEASE_PROFILES } from '../../protocol/core/lease-profile.ts'
import type {
  AnnouncementRef,
  RegisterReply,
  RegisterRequest
} from '../../protocol/core/messages.ts'
import type { Digest, Signer } from '../../protocol/core/ports.ts'
import { startChange, stepChange } from '../../protocol/core/proposer.ts'
import type { WitnessRef } from '../../protocol/core/witnesses.ts'
import { quorumOf } from '../../protocol/core/witnesses.ts'
import { plainDigest } from './plain-digest.ts'
import { plainSigner } from './plain-signer.ts'
import { RegisterLog } from './register-log.ts'
import { ClusterWitness } from './register-witness.ts'
import { Timeline } from './timeline.ts'

export interface ClusterOptions {
  readonly seed: number
  readonly witnesses: 1 | 3 | 5
  /** Share of messages, requests and replies alike, that get lost or come twice. */
  readonly lossRate: number
  readonly duplicateRate: number
  /** Most messages take up to this; one in ten up to `strayMsMax`. */
  readonly delayMsMax: number
  readonly strayMsMax: number
  readonly syncMsMax: number
  /** Clocks run by up to this share fast or slow. */
  readonly driftRate: number
}

/** Nothing lost, nothing late. */
export const CALM: ClusterOptions = {
  seed: 1,
  witnesses: 3,
  lossRate: 0,
  duplicateRate: 0,
  delayMsMax: 2,
  strayMsMax: 2,
  syncMsMax: 1,
  driftRate: 0
}

/** What the plans promise at worst, and all at once. */
export const STORM: ClusterOptions = {
  seed: 1,
  witnesses: 3,
  lossRate: 0.1,
  duplicateRate: 0.1,
  delayMsMax: 20,
  strayMsMax: 2_000,
  syncMsMax: 30,
  driftRate: 0.01
}

const FRESH = { carried: undefined, pausedUntilMs: 0 } as const

export const REGISTER = 'RUN.0'
export const PROFILE = LEASE_PROFILES.short
const ANN: AnnouncementRef = { gateway: 'gateway', gwSeq: 1, annHash: 'ann' }

/** A process that proposes. `boot` changes with every restart. */
export interface ClusterMember {
  readonly peerId: string
  readonly signer: Signer
  boot: string
  round: number
  /** Of its last change, for the next one. */
  carried: Carried | undefined
  /** True time until which the process stands still; Infinity once it is dead. */
  pausedUntilMs: number
}

/** Real acceptors and proposers of one register over a network that a seed decides. */
export class RegisterCluster {
  readonly options: ClusterOptions
  readonly timeline: Timeline
  readonly digest: Digest = plainDigest()
  readonly witnesses: readonly ClusterWitness[]
  readonly log: RegisterLog
  readonly #members = new Map<string, ClusterMember>()
  readonly #cut = new Set<string>()

  constructor(options: ClusterOptions) {
    this.options = options
    this.timeline = new Timeline(options.seed)
    this.log = new RegisterLog(this.digest, quorumOf(options.witnesses))
    this.witnesses = Array.from({ length: options.witnesses }, (_, index) => {
      return new ClusterWitness(`w${index + 1}`, {
        timeline: this.timeline,
        digest: this.digest,
        log: this.log,
        leaseMs: PROFILE.leaseMs,
        syncMsMax: options.syncMsMax,
        clock: this.timeline.clock(options.driftRate)
      })
    })
  }

  get quorum(): number {
    return quorumOf(this.witnesses.length)
  }

  refs(): readonly WitnessRef[] {
    return this.witnesses.map(({ id }) => ({ peerId: id, storeId: `store-${id}`, zone: id }))
  }

  member(peerId: string): ClusterMember {
    const known = this.#members.get(peerId)
    if (known !== undefined) return known
    const signer = plainSigner(peerId, this.digest)
    const member = { peerId, signer, boot: this.timeline.id(), round: 0, ...FRESH }
    this.#members.set(peerId, member)
    return member
  }

  /** The member's process ends and starts again, with nothing remembered. */
  restart(member: ClusterMember): void {
    member.boot = this.timeline.id()
    member.round = 0
    member.carried = undefined
  }

  cut(a: string, b: string): void {
    this.#cut.add(`${a}>${b}`)
    this.#cut.add(`${b}>${a}`)
  }

  heal(): void {
    this.#cut.clear()
  }

  /** Sends one request; `answer` gets the reply, or undefined once the request has timed out. */
  request(
    from: ClusterMember,
    to: string,
    message: RegisterRequest,
    answer: (reply: RegisterReply | undefined) => void
  ): void {
    const { boot } = from
    const back = (reply: RegisterReply | undefined) => {
      this.#awake(from, () => {
        if (from.boot === boot) answer(reply)
      })
    }
    const witness = this.witnesses.find(({ id }) => id === to)
    this.#carry(from.peerId, to, () => {
      witness?.receive(from.peerId, message, (reply) => {
        this.#carry(to, from.peerId, () => back(reply))
      })
    })
    this.timeline.after(PROFILE.requestTimeoutMs, () => back(undefined))
  }

  /** Runs one change to its end with the real proposer. */
  change(
    member: ClusterMember,
    op: ChangeRequest['op'],
    done: (result: ChangeResult) => void,
    ambiguous = false
  ): void {
    const { peerId: me, boot } = member
    const request: ChangeRequest = {
      register: REGISTER,
      witnessEpoch: 1,
      ann: ANN,
      witnesses: this.refs(),
      me,
      boot,
      op,
      announcement: undefined,
      profile: PROFILE,
      ambiguous,
      carried: member.carried,
      firstRound: member.round + 1
    }
    member.carried = undefined
    let [state, effects] = startChange(request, this.digest)
    const step = (event: Parameters<typeof stepChange>[1]) => {
      ;[state, effects] = stepChange(state, event)
      perform()
    }
    const perform = () => {
      this.#watch(effects)
      // Before the sends: an answer must find the rounds of this wave taken.
      member.round = Math.max(member.round, state.ownRound)
      for (const effect of effects) this.#perform(member, effect, step, done)
    }
    perform()
  }

  #perform(
    member: ClusterMember,
    effect: ProposerEffect,
    step: (event: Parameters<typeof stepChange>[1]) => void,
    done: (result: ChangeResult) => void
  ): void {
    if (effect.kind === 'done') {
      member.round = Math.max(member.round, effect.result.highestRound)
      member.carried = effect.result.carried
      done(effect.result)
      return
    }
    const { attempt } = effect
    if (effect.kind === 'send') {
      const from = effect.to
      this.request(member, from, effect.message, (reply) => {
        step(
          reply === undefined
            ? { kind: 'failed', from, attempt }
            : { kind: 'reply', from, attempt, reply }
        )
      })
      return
    }
    const { boot, signer } = member
    const later = (afterMs: number, event: Parameters<typeof stepChange>[1]): void => {
      this.timeline.after(afterMs, () => {
        this.#awake(member, () => {
          if (member.boot === boot) step(event)
        })
      })
    }
    if (effect.kind === 'sign') {
      const { register, witnessEpoch, ballot, valueHash } = effect
      const proposerSig = signer.proposal(register, witnessEpoch, ballot, valueHash)
      // Answers to the wave before may come first.
      later(0, { kind: 'signed', attempt, proposerSig })
      return
    }
    const { timer } = effect
    const afterMs =
      effect.timer === 'request' ? effect.afterMs : this.timeline.random() * effect.maxMs
    later(afterMs, { kind: 'timer', timer, attempt })
  }

  #watch(effects: readonly ProposerEffect[]): void {
    const first = effects.find((effect) => effect.kind === 'send')?.message
    if (first?.kind === 'prepare') this.log.prepares(first.ballot)
    if (first?.kind === 'accept') this.log.proposes(first)
  }

  /** Runs `task` at once, or when the process that it belongs to runs again. */
  #awake(member: ClusterMember, task: () => void): void {
    const { pausedUntilMs } = member
    if (pausedUntilMs <= this.timeline.nowMs) task()
    else if (pausedUntilMs < Number.POSITIVE_INFINITY) {
      this.timeline.at(pausedUntilMs, () => this.#awake(member, task))
    }
  }

  /** One leg of a message: lost, late or doubled as the seed has it. */
  #carry(from: string, to: string, arrive: () => void): void {
    const { lossRate, duplicateRate, delayMsMax, strayMsMax } = this.options
    const copies = this.timeline.random() < duplicateRate ? 2 : 1
    for (let copy = 0; copy < copies; copy += 1) {
      if (this.#cut.has(`${from}>${to}`) || this.timeline.random() < lossRate) continue
      const most = this.timeline.random() < 0.1 ? strayMsMax : delayMsMax
      this.timeline.after(this.timeline.random() * most, arrive)
    }
  }
}
