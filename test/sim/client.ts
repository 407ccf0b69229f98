import type { Carried } from '../../protocol/core/carried.ts'
import type { ChangeRequest, ChangeResult, ProposerEffect } from '../../protocol/core/change.ts'
import { isGoneAt } from '../../protocol/core/floor.ts'
import type { JobOp, JobState } from '../../protocol/core/job.ts'
import { leasedJob } from '../../protocol/core/lease-timer.ts'
import type {
  Accepted,
  AnnouncementRef,
  RegisterReply,
  RegisterRequest,
  RegisterValue
} from '../../protocol/core/messages.ts'
import type { Signer } from '../../protocol/core/ports.ts'
import { startChange, stepChange } from '../../protocol/core/proposer.ts'
import type { ReadJudgement, ValueReply } from '../../protocol/core/reader.ts'
import { judgeRead, lacks } from '../../protocol/core/reader.ts'
import { runIdOf } from '../../protocol/core/run.ts'
import { quorumOf } from '../../protocol/core/witnesses.ts'
import { GivingUp, NO_FACTS } from './giving-up.ts'
import type { Network } from './network.ts'
import type { SimProcess } from './process.ts'
import { SimRepairs } from './repairs.ts'
import type { SimRosters } from './rosters.ts'
import { placeOf, type Scene } from './scene.ts'
import { SeenStores } from './seen-stores.ts'

export interface ClientParts {
  readonly scene: Scene
  readonly process: SimProcess
  readonly network: Network
  readonly signer: Signer
  readonly rosters: SimRosters
}

/** A register whose announcement is known. */
export interface Ref {
  readonly register: string
  readonly witnessEpoch: number
  readonly ann: AnnouncementRef
}

export type ReadRef = Omit<Ref, 'ann'> & { readonly ann: AnnouncementRef | undefined }

export interface ChangeOptions {
  readonly announcement?: Uint8Array | undefined
  /** What an empty register of a moved job begins with, in place of an op. */
  readonly landing?: JobState | undefined
  /** The create that an empty register gets together with the op. */
  readonly create?: JobOp | undefined
  /** An earlier process may have sent this op. */
  readonly maybeSent?: boolean | undefined
}

export type SimRead =
  | {
      readonly kind: 'chosen'
      readonly value: RegisterValue | undefined
      readonly leaseRemainingMs: number
    }
  | { readonly kind: 'unsettled'; readonly base: RegisterValue | undefined }
  | { readonly kind: 'unreachable' | 'gone' }

/** As core judges it, or that a quorum has dropped it. */
type Judged = ReadJudgement | { readonly kind: 'gone' }

type Op = ChangeRequest['op']
type Done = (result: ChangeResult) => void

/** Drives core's proposer and reader for one process, as protocol/mesh does. */
export class SimClient {
  readonly #parts: ClientParts
  readonly seen = new SeenStores()
  readonly givingUp: GivingUp
  /** Changes of each register that wait for the one under way. */
  #lanes = new Map<string, (() => void)[]>()
  #rounds = new Map<string, number>()
  #ambiguous = new Set<string>()
  #carried = new Map<string, Carried>()
  #addressed = new Set<string>()
  readonly #repairs: SimRepairs

  constructor(parts: ClientParts) {
    this.#parts = parts
    this.givingUp = new GivingUp(parts.scene, parts.process)
    const ask: SimClient['ask'] = (...request) => this.ask(...request)
    this.#repairs = new SimRepairs({
      ...parts,
      ask,
      writeBack: (...asked) => this.#writeBack(...asked)
    })
    parts.process.onCrash(() => {
      this.#lanes = new Map()
      this.#rounds = new Map()
      this.#ambiguous = new Set()
      this.#carried = new Map()
      this.seen.clear()
    })
  }

  ask(
    to: { readonly peerId: string; readonly storeId: string },
    message: RegisterRequest,
    answer: (reply: RegisterReply | undefined) => void
  ): void {
    const { network, process, scene } = this.#parts
    network.request(process, to.peerId, message, scene.profile.requestTimeoutMs, (reply) => {
      if (reply !== undefined) this.seen.note(to.peerId, to.storeId, reply)
      answer(reply)
    })
  }

  /** One change at a time of each register: two would draw the same ballots. */
  change(ref: Ref, op: Op, options: ChangeOptions, done: Done): void {
    if (this.#parts.rosters.at(ref.witnessEpoch) === undefined) {
      done({ kind: 'unresolved', answered: 0, ambiguous: false, ...NO_FACTS })
      return
    }
    const place = placeOf(ref.register, ref.witnessEpoch)
    const lane = this.#lanes.get(place)
    const start = (): void => {
      this.#changeNow(ref, op, options, (result) => {
        const next = this.#lanes.get(place)?.shift()
        if (next === undefined) this.#lanes.delete(place)
        else next()
        done(result)
      })
    }
    if (lane !== undefined) lane.push(start)
    else {
      this.#lanes.set(place, [])
      start()
    }
  }

  #changeNow(ref: Ref, op: Op, options: ChangeOptions, done: Done): void {
    const { scene, process } = this.#parts
    const place = placeOf(ref.register, ref.witnessEpoch)
    const intent = `${place} ${op?.actor} ${op?.opId}`
    const request: ChangeRequest = {
      ...ref,
      witnesses: this.#witnesses(ref),
      me: process.peerId,
      boot: process.boot,
      op,
      announcement: options.announcement,
      landing: options.landing,
      create: options.create,
      carried: this.#take(place),
      profile: scene.profile,
      ambiguous: options.maybeSent === true || this.#ambiguous.has(intent),
      firstRound: (this.#rounds.get(place) ?? 0) + 1
    }
    this.#ambiguous.add(intent)
    let [state, effects] = startChange(request, scene.digest)
    let isOver = false
    let isGivenUp = false
    const step = (event: Parameters<typeof stepChange>[1]): void => {
      // It would draw ballots that the next change of this register draws too.
      if (isGivenUp) return
      ;[state, effects] = stepChange(state, event)
      perform()
    }
    const perform = (): void => {
      const now = effects
      this.#write(place, now)
      // Before the sends: an answer must find the rounds of this wave taken.
      this.#noteRound(place, state.ownRound)
      for (const effect of now) {
        if (effect.kind === 'done') {
          isOver = true
          this.#finish(ref, op, intent, effect.result, done, options)
        } else this.#perform(request, effect, step)
      }
    }
    perform()
    const end = (result: ChangeResult): void => {
      isGivenUp = true
      done(result)
    }
    const again = (): void => this.change(ref, undefined, {}, () => undefined)
    this.givingUp.watch({ intent, isDone: () => isOver, end }, again)
  }

  #perform(
    { witnesses }: ChangeRequest,
    effect: Exclude<ProposerEffect, { readonly kind: 'done' }>,
    step: (event: Parameters<typeof stepChange>[1]) => void
  ): void {
    const { process, scene, signer } = this.#parts
    const { attempt } = effect
    if (effect.kind === 'arm') {
      const { timer } = effect
      const afterMs =
        effect.timer === 'request' ? effect.afterMs : scene.timeline.random() * effect.maxMs
      process.arm(afterMs, () => step({ kind: 'timer', timer, attempt }))
      return
    }
    if (effect.kind === 'sign') {
      const { register, witnessEpoch, ballot, valueHash } = effect
      const proposerSig = signer.proposal(register, witnessEpoch, ballot, valueHash)
      // Answers to the wave before may come first.
      process.arm(0, () => step({ kind: 'signed', attempt, proposerSig }))
      return
    }
    const from = effect.to
    const to = witnesses.find(({ peerId }) => peerId === from)
    if (to === undefined) return
    this.ask(to, effect.message, (reply) => {
      if (reply === undefined) step({ kind: 'failed', from, attempt })
      else step({ kind: 'reply', from, attempt, reply })
    })
  }

  #finish(
    ref: Ref,
    op: Op,
    intent: string,
    result: ChangeResult,
    done: Done,
    { announcement }: ChangeOptions
  ): void {
    const place = placeOf(ref.register, ref.witnessEpoch)
    if (result.kind !== 'unresolved' || !result.ambiguous) this.#ambiguous.delete(intent)
    this.givingUp.note(intent, result)
    this.#noteRound(place, result.highestRound)
    if (result.carried !== undefined) this.#carried.set(place, result.carried)
    // What was dropped had ended: nobody can say any more what became of an op in it.
    const isGone = result.kind === 'rejected' && result.reason === 'gone'
    if (op !== undefined && result.kind !== 'unresolved' && !isGone) {
      const { digest } = this.#parts.scene
      const base = result.value === undefined ? '' : digest.hash(result.value)
      this.#parts.scene.emit({ kind: 'hears', place, op, answer: result.kind, base })
    }
    if (result.chosen !== undefined) {
      const peers = [...result.lagging, ...result.outstanding]
      this.#repairs.push(
        ref,
        this.#witnesses(ref),
        { accepted: result.chosen, announcement },
        peers
      )
    }
    done(result)
  }

  /** One round trip where a quorum agrees; `settle` writes a half-written value back. */
  read(ref: ReadRef, settle: 'write' | 'never', done: (read: SimRead) => void): void {
    this.#read(ref, (judged) => {
      const { ann } = ref
      if (judged.kind === 'gone') done({ kind: 'gone' })
      else if (judged.kind === 'waiting') done({ kind: 'unreachable' })
      else if (judged.kind === 'chosen') {
        const { value, leaseRemainingMs } = judged
        done({ kind: 'chosen', value, leaseRemainingMs })
      } else if (settle === 'never' || ann === undefined) {
        done({ kind: 'unsettled', base: judged.base })
      } else this.#settle({ ...ref, ann }, done)
    })
  }

  /** Asks all, and pushes what is chosen to those that lag. */
  #read(ref: ReadRef, done: (judged: Judged) => void): void {
    const { scene } = this.#parts
    const witnesses = this.#witnesses(ref)
    if (witnesses.length === 0) {
      done({ kind: 'waiting' })
      return
    }
    const replies = new Map<string, ValueReply>()
    const silent = new Set<string>()
    const refusals = new Map<string, RegisterReply>()
    let isOver = false
    let chosen: Accepted | undefined
    const end = (): void => {
      if (isGoneAt(refusals.values(), quorumOf(witnesses.length))) {
        isOver = true
        done({ kind: 'gone' })
        return
      }
      const judged = judgeRead(replies, quorumOf(witnesses.length), scene.digest)
      const isAll = replies.size + silent.size >= witnesses.length
      if (judged.kind !== 'chosen' && !isAll) return
      isOver = true
      if (judged.kind === 'chosen') chosen = judged.accepted
      if (judged.kind !== 'waiting') this.#learn(ref, witnesses, judged)
      done(judged)
    }
    const { register, witnessEpoch, ann } = ref
    const late = (peerId: string, reply: RegisterReply | undefined): void => {
      if (chosen === undefined || !lacks(reply, chosen)) return
      this.#repairs.bring(ref, witnesses, chosen, [peerId])
    }
    const count = (peerId: string, reply: RegisterReply | undefined): void => {
      if (reply?.kind === 'value') replies.set(peerId, reply)
      else if (!replies.has(peerId)) silent.add(peerId)
      if (reply?.kind === 'rejected') refusals.set(peerId, reply)
      end()
    }
    for (const witness of witnesses) {
      const { peerId, storeId } = witness
      const scope = { register, witnessEpoch, storeId, ann }
      this.ask(witness, { kind: 'read', scope }, (reply) => {
        if (isOver) late(peerId, reply)
        else count(peerId, reply)
      })
    }
  }

  #learn(
    ref: ReadRef,
    witnesses: ChangeRequest['witnesses'],
    judged: Exclude<ReadJudgement, { readonly kind: 'waiting' }>
  ): void {
    this.#noteRound(placeOf(ref.register, ref.witnessEpoch), judged.highestRound)
    const { accepted, lagging } = judged
    if (judged.kind !== 'chosen' || accepted === undefined) return
    this.#repairs.bring(ref, witnesses, accepted, lagging)
  }

  /** A round above the promise of a proposer that is gone, where our own witness still lags. */
  #writeBack(ref: Ref, done: (isOver: boolean) => void): void {
    const { scene, process } = this.#parts
    this.#read(ref, (judged) => {
      if (judged.kind === 'waiting') done(false)
      else if (judged.kind === 'gone' || judged.level.includes(process.peerId)) done(true)
      else if (!judged.lagging.includes(process.peerId)) done(false)
      else {
        scene.count('witness: wrote back what it lacked')
        this.change(ref, undefined, {}, () => done(false))
      }
    })
  }

  #settle(ref: Ref, done: (read: SimRead) => void): void {
    this.change(ref, undefined, {}, (result) => {
      if (result.kind === 'unresolved') {
        done({ kind: 'unreachable' })
        return
      }
      if (result.kind === 'rejected' && result.value === undefined) {
        done({ kind: 'chosen', value: undefined, leaseRemainingMs: 0 })
        return
      }
      const { value } = result
      this.read(ref, 'never', (again) => {
        if (again.kind !== 'unsettled') {
          done(again)
          return
        }
        const { takeOverMs } = this.#parts.scene.profile
        const leaseRemainingMs = leasedJob(value) === undefined ? 0 : takeOverMs
        done({ kind: 'chosen', value, leaseRemainingMs })
        return
      })
    })
  }

  #witnesses({ register, witnessEpoch }: Omit<Ref, 'ann'>): ChangeRequest['witnesses'] {
    const { scene, process } = this.#parts
    // Nobody to ask while the roster of that epoch is not known here.
    if (this.#parts.rosters.at(witnessEpoch) === undefined) return []
    const witnesses = scene.witnesses(register, witnessEpoch)
    const runId = runIdOf(register)
    const name = `${runId}@${witnessEpoch}`
    if (!this.#addressed.has(name)) {
      this.#addressed.add(name)
      const stores = witnesses.map(({ storeId }) => storeId).join(' ')
      scene.emit({ kind: 'addresses', by: process.peerId, runId, witnessEpoch, stores })
    }
    return witnesses
  }

  /** Good for one change. */
  #take(place: string): Carried | undefined {
    const carried = this.#carried.get(place)
    this.#carried.delete(place)
    if (carried !== undefined) this.#parts.scene.count('change: went on from its own accept')
    return carried
  }

  #noteRound(place: string, round: number): void {
    this.#rounds.set(place, Math.max(round, this.#rounds.get(place) ?? 0))
  }

  #write(place: string, effects: readonly ProposerEffect[]): void {
    const { scene, process } = this.#parts
    const by = process.peerId
    const first = effects.find((effect) => effect.kind === 'send')?.message
    if (first?.kind === 'prepare') {
      scene.emit({ kind: 'prepares', by, place, ballot: first.ballot })
    }
    if (first?.kind === 'accept') {
      const { ballot, value } = first
      const hash = scene.digest.hash(value)
      scene.emit({ kind: 'proposes', by, place, ballot, hash, value })
    }
  }
}
