import type { Carried } from '../../core/carried.ts'
import type { ChangeResult } from '../../core/change.ts'
import { MeshError } from '../../core/errors.ts'
import type { JobOp, JobState } from '../../core/job.ts'
import { leasedJob } from '../../core/lease-timer.ts'
import { ROUNDS_KEPT_MAX } from '../../core/limits.ts'
import type { Accepted, AnnouncementRef, RegisterValue, Stage } from '../../core/messages.ts'
import type { RunOp } from '../../core/run.ts'
import { Lru } from '../bounds/lru.ts'
import { linkSignals, stopController } from '../bounds/stop-controller.ts'
import type { WitnessSet, WitnessSets } from '../members/witness-sets.ts'
import { ChangeRun, type ChangeRunParts, type LateAccept } from './change-run.ts'
import { type FastRead, ReadClient, type ReadClientParts, type RegisterRef } from './read-client.ts'
import { RegisterLanes } from './register-lanes.ts'
import { type ChosenAccept, Repairs } from './repairs.ts'
import { RoundMemory } from './round-memory.ts'

export interface RegisterClientParts extends ChangeRunParts, ReadClientParts {
  readonly sets: WitnessSets
}

export interface RegisterClientOptions {
  /** Nonce of this process, 16 hex digits. */
  readonly boot: string
}

/** A register whose announcement is known: only such a one can be changed. */
export interface ChangeRef extends RegisterRef {
  readonly ann: AnnouncementRef
}

export interface ChangeOptions {
  /** The run's announcement, with its create only. */
  readonly announcement?: Uint8Array | undefined
  /** What an empty register of a moved job begins with, in place of an op (core/move.ts). */
  readonly landing?: JobState | undefined
  /** The create that a register which is still empty gets together with the op. */
  readonly create?: JobOp | undefined
  /**
   * True where an earlier process may have sent this op: a no then needs a write-back to be one.
   */
  readonly maybeSent?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

export type ReadResult =
  | {
      readonly kind: 'chosen'
      /** Undefined for a register that was not created. */
      readonly value: RegisterValue | undefined
      /**
       * Milliseconds until a quorum of witnesses lets another claim in; 0 where nothing is leased.
       */
      readonly leaseRemainingMs: number
      readonly stage: Stage | undefined
    }
  /** Only where the caller did not want it settled: the values differ, none is known as chosen. */
  | {
      readonly kind: 'unsettled'
      /** The newest value that a witness holds, chosen or not. */
      readonly base: RegisterValue | undefined
    }
  /** Definite: a quorum has dropped it, or knows from its gateway that it is closed. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'unreachable'; readonly answered: number }

export interface ReadOptions {
  /**
   * `write` makes an unsettled answer definite by a round of our own; `never` leaves that to
   * others, so that a thousand readers of one half-written value do not all start rounds for it.
   */
  readonly settle: 'write' | 'never'
  readonly signal?: AbortSignal | undefined
}

/**
 * Reads and changes registers at their witnesses. One change costs 2 w requests and replies when
 * nobody else wants the register, a read w of each; both are bounded by the profile's request
 * timeout and CHANGE_ROUNDS_MAX rounds.
 */
export class RegisterClient {
  readonly #parts: RegisterClientParts
  readonly #boot: string
  readonly #reads: ReadClient
  readonly #repairs: Repairs
  readonly #lanes = new RegisterLanes()
  readonly #rounds = new RoundMemory()
  /**
   * Ops of which an accept may be out there: until it is known, a no of theirs needs a write-back.
   */
  readonly #ambiguous = new Lru<string, true>(ROUNDS_KEPT_MAX)
  /** Promises that came with an accept of ours: the next change takes them, whatever it is. */
  readonly #carried = new Lru<string, Carried>(ROUNDS_KEPT_MAX)
  readonly #stop = stopController()

  constructor(parts: RegisterClientParts, options: RegisterClientOptions) {
    this.#parts = parts
    this.#boot = options.boot
    this.#reads = new ReadClient(parts)
    this.#repairs = new Repairs({ ...parts, writeBack: (ref) => this.#writeBack(ref) })
  }

  /** Ends what runs: changes in flight reject with STOPPING, and may still be applied. */
  async stop(): Promise<void> {
    this.#stop.abort(new MeshError('STOPPING', { what: 'this member' }))
    await this.#repairs.stop()
  }

  /**
   * Makes `op` happen, or tells definitely why not; an op with the same id may be handed in again.
   * `unresolved` where no quorum, or no roster of that epoch, is at hand. Rejects with the signal's
   * reason, STOPPING or OVERLOADED.
   */
  async change(
    ref: ChangeRef,
    op: JobOp | RunOp | undefined,
    options: ChangeOptions = {}
  ): Promise<ChangeResult> {
    const set = this.#parts.sets.of(ref.register, ref.witnessEpoch)
    if (set === undefined) return noWitnesses()
    return await this.#lanes.run(nameOf(ref), () => this.#changeNow(ref, set, op, options))
  }

  /** Rejects with the signal's reason or STOPPING. */
  async read(ref: RegisterRef, options: ReadOptions): Promise<ReadResult> {
    const set = this.#parts.sets.of(ref.register, ref.witnessEpoch)
    if (set === undefined) return { kind: 'unreachable', answered: 0 }
    const signal = this.#signal(options.signal)
    const fast = await this.#fastRead(ref, set, signal)
    if (fast.kind === 'unreachable' || fast.kind === 'gone') return fast
    if (fast.kind === 'chosen') return readResult(fast)
    const { ann } = ref
    if (options.settle === 'never' || ann === undefined)
      return { kind: 'unsettled', base: fast.base }
    return await this.#settle({ ...ref, ann }, set, signal)
  }

  /**
   * For a register that witnesses of ours were found to lack: reads it, which pushes what is
   * chosen.
   */
  async repair(ref: RegisterRef): Promise<void> {
    await this.read(ref, { settle: 'never' })
  }

  /**
   * A round above the promise of a proposer that is gone, where our own witness still lags. True
   * once it has shown that it has what is chosen: a round that others alone have answered, or that
   * found nothing to write, leaves it as it was (seed 205525).
   */
  async #writeBack(ref: ChangeRef): Promise<boolean> {
    const set = this.#parts.sets.of(ref.register, ref.witnessEpoch)
    if (set === undefined) return true
    const { peerId } = this.#parts.transport
    const fast = await this.#fastRead(ref, set, this.#signal(undefined))
    if (fast.kind === 'unreachable') return false
    if (fast.kind === 'gone' || fast.level.includes(peerId)) return true
    if (fast.lagging.includes(peerId)) await this.change(ref, undefined)
    return false
  }

  async #changeNow(
    ref: ChangeRef,
    set: WitnessSet,
    op: JobOp | RunOp | undefined,
    options: ChangeOptions
  ): Promise<ChangeResult> {
    const name = nameOf(ref)
    const intent = `${name} ${op?.actor} ${op?.opId}`
    const carried = this.#carried.get(name)
    // Before anything is sent: used twice, one ballot could carry two values.
    this.#carried.delete(name)
    const run = new ChangeRun(
      this.#parts,
      {
        ...ref,
        witnesses: set.witnesses,
        me: this.#parts.transport.peerId,
        boot: this.#boot,
        op,
        announcement: options.announcement,
        landing: options.landing,
        create: options.create,
        carried,
        profile: set.profile,
        ambiguous: options.maybeSent === true || this.#ambiguous.has(intent),
        firstRound: this.#rounds.next(name)
      },
      options.signal === undefined ? [this.#stop.signal] : [this.#stop.signal, options.signal]
    )
    // Until it is known how it ended: an aborted change may have sent an accept.
    this.#ambiguous.set(intent, true)
    const { result, late } = await run.run().finally(() => {
      this.#rounds.note(name, run.usedRound)
    })
    if (result.kind !== 'unresolved' || !result.ambiguous) this.#ambiguous.delete(intent)
    this.#rounds.note(name, result.highestRound)
    if (result.carried !== undefined) this.#carried.set(name, result.carried)
    if (result.chosen !== undefined) {
      const chosen = { ...ref, accepted: result.chosen, announcement: options.announcement }
      this.#pushTo(chosen, set, result.lagging, late)
    }
    return result
  }

  #pushTo(
    chosen: ChosenAccept,
    set: WitnessSet,
    lagging: readonly string[],
    late: readonly LateAccept[]
  ): void {
    this.#repairs.push(chosen, set, lagging)
    for (const { peer, accepted } of late) {
      // Never rejects: a lost answer counts as none.
      void accepted.then((yes) => yes || this.#repairs.push(chosen, set, [peer]))
    }
  }

  /** The write-back of a reader: a change without an op. */
  async #settle(ref: ChangeRef, set: WitnessSet, signal: AbortSignal): Promise<ReadResult> {
    const result = await this.change(ref, undefined, { signal })
    if (result.kind === 'unresolved') return { kind: 'unreachable', answered: result.answered }
    if (result.kind === 'rejected' && result.reason === 'gone') return { kind: 'gone' }
    if (result.kind === 'rejected' && result.value === undefined) return EMPTY
    const again = await this.read(ref, { settle: 'never', signal })
    if (again.kind !== 'unsettled') return again
    // Someone else's round is under way already: what we wrote back was chosen, and is what we
    // read.
    const { takeOverMs } = set.profile
    const leaseRemainingMs = leasedJob(result.value) === undefined ? 0 : takeOverMs
    return { kind: 'chosen', value: result.value, leaseRemainingMs, stage: undefined }
  }

  async #fastRead(ref: RegisterRef, set: WitnessSet, signal: AbortSignal): Promise<FastRead> {
    // Our own witness, say, which has just started: it answers after all others.
    const late = (peerId: string, chosen: Accepted): void => {
      this.#bring(ref, set, chosen, [peerId])
    }
    const fast = await this.#reads.read(ref, set, signal, late)
    if (fast.kind === 'unreachable' || fast.kind === 'gone') return fast
    this.#rounds.note(nameOf(ref), fast.highestRound)
    const { accepted, lagging } = fast
    if (fast.kind === 'chosen' && accepted !== undefined) this.#bring(ref, set, accepted, lagging)
    return fast
  }

  #bring(ref: RegisterRef, set: WitnessSet, accepted: Accepted, peers: readonly string[]): void {
    if (ref.ann === undefined) return
    const { peerId } = this.#parts.transport
    // A reader repairs only where it is a witness itself, or holds the lease: with a thousand
    // readers one lagging witness would else get a thousand pushes.
    const isWitness = set.witnesses.some((witness) => witness.peerId === peerId)
    if (!isWitness && !isHolder(accepted, peerId)) return
    const chosen = { ...ref, ann: ref.ann, accepted, announcement: undefined }
    this.#repairs.push(chosen, set, peers)
  }

  #signal(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#stop.signal : linkSignals(this.#stop.signal, signal)
  }
}

function readResult(read: Extract<FastRead, { readonly kind: 'chosen' }>): ReadResult {
  const { value, leaseRemainingMs, stage } = read
  return { kind: 'chosen', value, leaseRemainingMs, stage }
}

// The roster of that witness epoch has not come yet.
function noWitnesses(): ChangeResult {
  const facts = { highestRound: 0, chosen: undefined, lagging: [], outstanding: [], refused: [] }
  return { kind: 'unresolved', answered: 0, ambiguous: false, ...facts }
}

const EMPTY: ReadResult = {
  kind: 'chosen',
  value: undefined,
  leaseRemainingMs: 0,
  stage: undefined
}

function nameOf({ register, witnessEpoch }: RegisterRef): string {
  return `${register}@${witnessEpoch}`
}

function isHolder({ value }: Accepted, peerId: string): boolean {
  return value.kind === 'job' && value.lease?.holder === peerId
}
