import type { Ballot } from '../../protocol/core/ballot.ts'
import { compareBallots } from '../../protocol/core/ballot.ts'
import type { JobOp, JobState } from '../../protocol/core/job.ts'
import { holdMs } from '../../protocol/core/lease-profile.ts'
import { type LeasedJob, leasedJob } from '../../protocol/core/lease-timer.ts'
import type {
  Accepted,
  RegisterReply,
  RegisterRequest,
  RegisterScope,
  RegisterValue
} from '../../protocol/core/messages.ts'
import type { Signer } from '../../protocol/core/ports.ts'
import { reduce } from '../../protocol/core/register-reducer.ts'
import { quorumOf } from '../../protocol/core/witnesses.ts'
import { plainSigner } from '../support/plain-signer.ts'
import type { Ref } from './client.ts'
import type { Network } from './network.ts'
import { SimProcess } from './process.ts'
import { placeOf, type Scene } from './scene.ts'

interface Target extends Ref {
  /** Of a job that has moved here: nobody may have begun the register yet. */
  readonly landing: JobState | undefined
}

/** Milliseconds between two claims. */
const EVERY_MS = 400

/**
 * A member that claims again and again, whatever the promises say of a living lease. It signs what
 * it does and keeps to its own ballots: all that is left to stop it is the acceptor's guard.
 */
export class RogueMember {
  readonly peerId: string
  readonly #scene: Scene
  readonly #network: Network
  readonly #process: SimProcess
  readonly #signer: Signer
  readonly #rounds = new Map<string, number>()
  /** When each of its claims was first asked for: witnesses may count from then on. */
  readonly #startedAtMs = new Map<string, number>()
  readonly #ran = new Set<string>()
  /** By claim. */
  readonly #adoptions = new Map<string, readonly JobOp[]>()
  #claims = 0
  #isOver = false

  constructor(peerId: string, scene: Scene, network: Network) {
    this.peerId = peerId
    this.#scene = scene
    this.#network = network
    this.#process = new SimProcess(peerId, scene.timeline, 0)
    this.#signer = plainSigner(peerId, scene.digest)
    const nothing = (): void => undefined
    network.join({ process: this.#process, receive: nothing, hear: nothing })
  }

  /** `pick` names a job to claim, where it is now. */
  start(pick: () => Target | undefined): void {
    this.#process.start()
    const next = (): void => {
      if (this.#isOver) return
      const target = pick()
      if (target !== undefined) this.#claim(target)
      this.#process.arm(EVERY_MS, next)
    }
    next()
  }

  stop(): void {
    this.#isOver = true
    this.#process.crash()
  }

  #claim(ref: Target): void {
    const place = placeOf(ref.register, ref.witnessEpoch)
    const round = (this.#rounds.get(place) ?? 0) + 1
    this.#rounds.set(place, round)
    const ballot = { round, peer: this.peerId, boot: this.#process.boot }
    this.#scene.emit({ kind: 'prepares', by: this.peerId, place, ballot })
    const promises = new Map<string, Accepted | undefined>()
    let isSent = false
    const prepare = { kind: 'prepare', ballot, intent: 'takeover' } as const
    this.#ask(
      ref,
      (scope) => ({ ...prepare, scope }),
      (from, reply) => {
        if (reply.kind === 'rejected') this.#learn(place, reply.promised)
        if (reply.kind !== 'promise') return
        promises.set(from, reply.accepted)
        if (isSent || promises.size < this.#quorum(ref)) return
        isSent = true
        this.#take(
          ref,
          ballot,
          [...promises.values()].filter((one) => one !== undefined)
        )
      }
    )
  }

  #take(ref: Target, ballot: Ballot, promises: readonly Accepted[]): void {
    const { timeline } = this.#scene
    const { register: job } = ref
    const base =
      promises.toSorted((a, b) => compareBallots(b.ballot, a.ballot))[0]?.value ?? ref.landing
    const first = this.#claimOver(job, base)
    if (first === undefined) return
    const { claimId } = first.lease
    const startedAtMs = this.#startedAtMs.get(claimId) ?? timeline.nowMs
    this.#startedAtMs.set(claimId, startedAtMs)
    const yes = new Set<string>()
    const second = this.#claimOver(job, base)
    this.#accept(ref, ballot, first, undefined, (from) => {
      if (yes.has(from)) return
      yes.add(from)
      if (yes.size === this.#quorum(ref)) this.#run(job, first, startedAtMs)
      // And once more, in other words: whoever has taken the first must refuse it.
      if (second !== undefined) this.#accept(ref, ballot, second, from, () => undefined)
    })
  }

  /**
   * The claim that it wants chosen next. Its own that some witness has taken already it asks the
   * others for: a new one over that would be refused as the loss of a second host.
   */
  #claimOver(job: string, base: RegisterValue | undefined): LeasedJob | undefined {
    const { digest, profile } = this.#scene
    const known = leasedJob(base)
    if (known?.lease.holder === this.peerId) return known
    const replayed = this.#replayOver(job, known)
    if (replayed !== undefined) return replayed
    this.#claims += 1
    const claimId = `${this.peerId}-${this.#claims}`
    const { boot } = this.#process
    const { leaseMs } = profile
    const op = this.#signer.jobOp(job, claimId, { kind: 'claim', claimId, boot, leaseMs })
    const made = reduce(base, job, op, digest)
    return made.kind === 'next' ? leasedJob(made.value) : undefined
  }

  /** An adoption of a process that is gone, played again over a later one of the same claim. */
  #replayOver(job: string, known: LeasedJob | undefined): LeasedJob | undefined {
    if (known === undefined) return
    const { claimId, boot } = known.lease
    if (known.op.body.kind === 'adopt') {
      const older = this.#adoptions.get(claimId) ?? []
      this.#adoptions.set(claimId, [...older, known.op])
    }
    const old = this.#adoptions.get(claimId)?.find(({ body }) => {
      return body.kind === 'adopt' && body.boot !== boot
    })
    if (old === undefined) return
    // Not remembered as seen any more, so that only its number is left to tell.
    const made = reduce({ ...known, lastOps: [] }, job, old, this.#scene.digest)
    return made.kind === 'next' ? leasedJob(made.value) : undefined
  }

  #accept(
    ref: Ref,
    ballot: Ballot,
    value: LeasedJob,
    only: string | undefined,
    yes: (from: string) => void
  ): void {
    const { register, witnessEpoch } = ref
    const hash = this.#scene.digest.hash(value)
    const place = placeOf(register, witnessEpoch)
    const proposerSig = this.#signer.proposal(register, witnessEpoch, ballot, hash)
    this.#scene.emit({ kind: 'proposes', by: this.peerId, place, ballot, hash, value })
    const accept = { kind: 'accept', ballot, value, proposerSig, announcement: undefined } as const
    const message = (scope: RegisterScope): RegisterRequest => ({ ...accept, scope })
    const answer = (from: string, reply: RegisterReply): void => {
      if (reply.kind === 'accepted') yes(from)
    }
    this.#ask(ref, message, answer, only)
  }

  // Its own container keeps to the deadline, as the guard in it makes it.
  #run(job: string, { epoch, lease }: LeasedJob, startedAtMs: number): void {
    const { timeline, profile } = this.#scene
    const { claimId } = lease
    const untilMs = startedAtMs + holdMs(profile)
    if (timeline.nowMs >= untilMs || this.#ran.has(claimId)) return
    this.#ran.add(claimId)
    const facts = { job, epoch, claimId, untilMs }
    const { boot } = this.#process
    this.#scene.emit({ kind: 'holds', by: this.peerId, boot, ...facts })
    this.#scene.emit({ kind: 'user_code', host: this.peerId, ...facts })
    timeline.at(untilMs, () => this.#scene.emit({ kind: 'ends', claimId, exit: 0 }))
  }

  #learn(place: string, promised: Ballot | undefined): void {
    const known = this.#rounds.get(place) ?? 0
    this.#rounds.set(place, Math.max(known, promised?.round ?? 0))
  }

  #quorum({ register, witnessEpoch }: Ref): number {
    return quorumOf(this.#scene.witnesses(register, witnessEpoch).length)
  }

  #ask(
    { register, witnessEpoch, ann }: Ref,
    message: (scope: RegisterScope) => RegisterRequest,
    answer: (from: string, reply: RegisterReply) => void,
    only?: string
  ): void {
    const { profile } = this.#scene
    for (const { peerId, storeId } of this.#scene.witnesses(register, witnessEpoch)) {
      if (only !== undefined && only !== peerId) continue
      const scope = { register, witnessEpoch, storeId, ann }
      const timeoutMs = profile.requestTimeoutMs
      this.#network.request(this.#process, peerId, message(scope), timeoutMs, (reply) => {
        if (reply !== undefined) answer(peerId, reply)
      })
    }
  }
}
