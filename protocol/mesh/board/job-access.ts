import type { Board } from '../../core/board.ts'
import type { ChangeFacts, ChangeResult } from '../../core/change.ts'
import { MeshError } from '../../core/errors.ts'
import type { JobOpBody, JobState } from '../../core/job.ts'
import type { RejectReason } from '../../core/job-reducer.ts'
import { LEASE_PROFILES, type LeaseProfile } from '../../core/lease-profile.ts'
import { CHOSEN_RUNS_MAX, RUN_EPOCHS_TRIED_MAX } from '../../core/limits.ts'
import type { RegisterValue, Stage } from '../../core/messages.ts'
import type { Digest, OpSigner } from '../../core/ports.ts'
import { MOVE_HOPS_MAX } from '../../core/roster-limits.ts'
import { isLost } from '../../core/roster-rules.ts'
import { type JobSpec, jobIndexOf, runIdOf, type SealedAnnouncement } from '../../core/run.ts'
import { createTermsOf } from '../announcements/announcement-terms.ts'
import { Lru } from '../bounds/lru.ts'
import type { RosterView } from '../members/roster-book.ts'
import type { ChangeRef, RegisterClient } from '../registers/register-client.ts'
import type { Renewals, RenewTally } from '../registers/renewals.ts'
import type { BoardFeed } from './board-feed.ts'
import type { JobMoves } from './job-moves.ts'
import { type RunLedger, refOf } from './run-ledger.ts'

export interface JobAccessParts {
  readonly board: Board
  readonly feed: Pick<BoardFeed, 'foldJob' | 'dropRun'>
  readonly client: Pick<RegisterClient, 'change' | 'read'>
  readonly ledger: RunLedger
  readonly renewals: Renewals
  readonly moves: Pick<JobMoves, 'land'>
  /** Called for a job whose witnesses show a stop-sign: it is to be read. */
  readonly onMoved: (jobId: string) => void
  readonly rosters: RosterView
  readonly signer: OpSigner
  readonly digest: Digest
}

/** A lease that this process holds. */
export interface HeldLease {
  readonly jobId: string
  readonly epoch: number
  readonly claimId: string
  readonly stage: Stage
}

export interface RenewOutcome extends Omit<RenewTally, 'register'> {
  readonly jobId: string
}

export interface JobChangeOptions {
  readonly signal?: AbortSignal | undefined
}

/** What became of a change of a job: core's ChangeResult with a job's value. */
export type JobChange = ChangeFacts &
  (
    | { readonly kind: 'applied' | 'same'; readonly value: JobState }
    | {
        readonly kind: 'rejected'
        readonly reason: RejectReason
        readonly value: JobState | undefined
      }
    | { readonly kind: 'busy'; readonly retryInMs: number; readonly value: JobState }
    | {
        readonly kind: 'unresolved'
        readonly answered: number
        readonly ambiguous: boolean
        readonly value: undefined
      }
  )

export type JobRead =
  | {
      readonly kind: 'chosen'
      /** Undefined while nobody has touched the job: it is queued. */
      readonly state: JobState | undefined
      /** Milliseconds until a quorum of witnesses lets another claim in. */
      readonly leaseRemainingMs: number
      readonly stage: Stage | undefined
    }
  | { readonly kind: 'unreachable'; readonly answered: number }

/**
 * Jobs by their ids: finds the announcement that says where a job's register lives, creates the
 * register on first use, and shows the board what was chosen.
 */
export class JobAccess {
  readonly #parts: JobAccessParts
  /** Registers of jobs that this process has read or changed: renewals need them at once. */
  readonly #refs = new Lru<string, ChangeRef>(CHOSEN_RUNS_MAX)

  constructor(parts: JobAccessParts) {
    this.#parts = parts
  }

  async change(
    jobId: string,
    opId: string,
    body: JobOpBody,
    options: JobChangeOptions = {}
  ): Promise<JobChange> {
    const sealed = await this.#sealedOf(jobId, options.signal)
    if (sealed === undefined) return UNRESOLVED
    const spec = specOf(sealed, jobId)
    let ref: ChangeRef | undefined = this.#refOf(sealed, jobId)
    // A no, and no silence: whoever ends a lease there would else ask for ever.
    if (this.#isLost(ref, jobId)) return GIVEN_UP
    for (let hop = 0; hop < MOVE_HOPS_MAX && ref !== undefined; hop += 1) {
      const isFirst = isOrigin(sealed, ref)
      const op = { opId, body }
      const change = await this.#changeAt(ref, isFirst ? spec : undefined, op, options)
      const next = await this.#next(sealed, ref, change, options.signal)
      // Another has moved it: moved on from there to there, it would be refused for ever.
      const isMade = body.kind === 'move' && change.value?.phase === 'moved'
      if (next === 'here' || (isMade && next !== undefined)) return change
      ref = next
    }
    return UNRESOLVED
  }

  async read(jobId: string, signal?: AbortSignal): Promise<JobRead> {
    const sealed = await this.#sealedOf(jobId, signal)
    if (sealed === undefined) return UNREACHABLE
    specOf(sealed, jobId)
    let ref: ChangeRef | undefined = this.#refOf(sealed, jobId)
    for (let hop = 0; hop < MOVE_HOPS_MAX && ref !== undefined; hop += 1) {
      const read = await this.#readAt(ref, signal)
      if (read.kind === 'unreachable') return read
      const { state } = read
      if (state?.phase === 'moved') ref = await this.#follow(ref, state, signal)
      else if (state === undefined && !isOrigin(sealed, ref)) ref = this.#origin(sealed, ref)
      else return read
    }
    return UNREACHABLE
  }

  /** The lease of a job that is claimed now: its length is that of its witnesses' roster. */
  leaseProfile(jobId: string): LeaseProfile | undefined {
    const witnessEpoch = this.witnessEpochOf(jobId)
    const roster = witnessEpoch === undefined ? undefined : this.#parts.rosters.at(witnessEpoch)
    return roster === undefined ? undefined : LEASE_PROFILES[roster.lease]
  }

  witnessEpochOf(jobId: string): number | undefined {
    return this.#refs.get(jobId)?.witnessEpoch ?? this.#parts.board.job(jobId)?.witnessEpoch
  }

  async renew(items: readonly HeldLease[], signal?: AbortSignal): Promise<readonly RenewOutcome[]> {
    const known = items.flatMap(({ jobId, ...lease }) => {
      const ref = this.#refs.get(jobId)
      // Where its registers were given up a job may be running elsewhere: nothing renews it.
      return ref === undefined || this.#isLost(ref, jobId) ? [] : [{ ref, ...lease }]
    })
    const tallies = await this.#parts.renewals.renew(known, signal)
    const byRegister = new Map(tallies.map((tally) => [tally.register, tally]))
    for (const { ref } of known) {
      // A read tells whether the stop-sign is chosen; the next round is at the new witnesses then.
      if ((byRegister.get(ref.register)?.moved ?? 0) > 0) this.#parts.onMoved(ref.register)
    }
    return items.map(({ jobId }) => ({ ...(byRegister.get(jobId) ?? NOBODY), jobId }))
  }

  #isLost({ witnessEpoch, ann }: ChangeRef, jobId: string): boolean {
    const { board, rosters } = this.#parts
    const roster = rosters.current()?.roster
    const sealed = board.run(runIdOf(jobId))?.sealed
    // The run has begun anew since.
    if (sealed !== undefined && sealed.annHash !== ann.annHash) return true
    const announced = sealed?.announcement.witnessEpoch ?? witnessEpoch
    return isLost(roster, witnessEpoch) || isLost(roster, announced)
  }

  /** `spec` where the job may have to be created: only in the register that it was announced for. */
  async #changeAt(
    ref: ChangeRef,
    spec: JobSpec | undefined,
    { opId, body }: OpAsked,
    options: JobChangeOptions
  ): Promise<JobChange> {
    const job = this.#parts.board.job(ref.register)
    const isCreated = job?.state !== undefined || body.kind === 'create'
    if (isCreated || spec === undefined) return await this.#apply(ref, opId, body, options)
    if (isFirstOp(body)) {
      const create = this.#createOf(ref, spec)
      return await this.#apply(ref, opId, body, { ...options, create })
    }
    const { opId: createId, body: createBody } = this.#createOf(ref, spec)
    const created = await this.#apply(ref, createId, createBody, options)
    // Of the create it may be ambiguous: what was asked for was never sent.
    if (created.kind === 'unresolved') return { ...created, ambiguous: false }
    if (created.kind !== 'applied' && created.kind !== 'same') return created
    if (created.value?.phase === 'moved') return created
    return await this.#apply(ref, opId, body, options)
  }

  async #readAt(ref: ChangeRef, signal: AbortSignal | undefined): Promise<JobRead> {
    const read = await this.#parts.client.read(ref, { settle: 'write', signal })
    if (read.kind === 'gone') throw this.#gone(ref)
    if (read.kind !== 'chosen') {
      return { ...UNREACHABLE, answered: read.kind === 'unreachable' ? read.answered : 0 }
    }
    const { leaseRemainingMs, stage } = read
    const state = read.value?.kind === 'job' ? read.value : undefined
    if (state !== undefined) this.#parts.feed.foldJob(state, ref.witnessEpoch, stage)
    return { kind: 'chosen', state, leaseRemainingMs, stage }
  }

  /** Where an op goes on to; `here` where its answer holds, undefined where nobody can tell. */
  async #next(
    sealed: SealedAnnouncement,
    ref: ChangeRef,
    change: JobChange,
    signal: AbortSignal | undefined
  ): Promise<ChangeRef | 'here' | undefined> {
    const { value, chosen } = change
    if (value?.phase === 'moved' && chosen !== undefined) {
      return await this.#follow(ref, value, signal)
    }
    const isAbsent = change.kind === 'rejected' && change.reason === 'absent'
    return isAbsent && !isOrigin(sealed, ref) ? this.#origin(sealed, ref) : 'here'
  }

  /**
   * Undefined where the new register has not begun, and nobody there answers. Rejects with RUN_GONE
   * where it was dropped.
   */
  async #follow(
    ref: ChangeRef,
    moved: JobState,
    signal: AbortSignal | undefined
  ): Promise<ChangeRef | undefined> {
    const end = await this.#parts.moves.land(ref, moved, signal)
    if (end.kind === 'gone') throw this.#gone(ref)
    if (end.kind === 'unknown') return undefined
    this.#refs.set(ref.register, end.ref)
    return end.ref
  }

  #gone({ register }: ChangeRef): MeshError {
    const run = runIdOf(register)
    this.#parts.feed.dropRun(run)
    return new MeshError('RUN_GONE', { run })
  }

  /** The register that the job began in, from where its stop-signs lead on. */
  #origin(sealed: SealedAnnouncement, ref: ChangeRef): ChangeRef {
    const origin = refOf(sealed, ref.register)
    this.#refs.set(ref.register, origin)
    return origin
  }

  /** The first op on a job's register, lazily and by whoever comes first (4.12.7). */
  #createOf({ register, ann }: ChangeRef, spec: JobSpec): OpAsked {
    const { annHash } = ann
    const { digest } = this.#parts
    const opId = digest.text(`${register}|create|${annHash}`).slice(0, OP_ID_CHARACTERS)
    return { opId, body: { kind: 'create', annHash, ...createTermsOf(spec) } }
  }

  async #apply(
    ref: ChangeRef,
    opId: string,
    body: JobOpBody,
    { signal, create: asked }: JobChangeOptions & { readonly create?: OpAsked }
  ): Promise<JobChange> {
    const { signer } = this.#parts
    // Asked for in one tick, both are signed together.
    const signing = [{ opId, body }, ...(asked === undefined ? [] : [asked])]
    const [op, create] = await Promise.all(
      signing.map((one) => signer.jobOp(ref.register, one.opId, one.body))
    )
    // The end of a lease is said again after a restart: its first accept may be out there still.
    const maybeSent = body.kind === 'complete' || body.kind === 'release'
    const result = await this.#parts.client.change(ref, op, { maybeSent, create, signal })
    const change = jobChangeOf(result)
    if (change.kind === 'rejected' && change.reason === 'gone') {
      this.#parts.feed.dropRun(runIdOf(ref.register))
    }
    // A busy or refused op still shows a chosen value, but for a busy one that was only promised.
    if (change.value !== undefined && result.chosen !== undefined) {
      this.#parts.feed.foldJob(change.value, ref.witnessEpoch)
    }
    return change
  }

  /** Where the job was last seen: under its announcement's epoch, or where a move brought it. */
  #refOf(sealed: SealedAnnouncement, jobId: string): ChangeRef {
    const ref = refOf(sealed, jobId)
    const known = this.#refs.get(jobId)
    const isKnown = known?.ann.annHash === ref.ann.annHash
    const seen = this.#parts.board.job(jobId)?.witnessEpoch ?? ref.witnessEpoch
    const followed = isKnown ? known.witnessEpoch : ref.witnessEpoch
    const next = { ...ref, witnessEpoch: Math.max(seen, followed) }
    this.#refs.set(jobId, next)
    return next
  }

  /**
   * Undefined where no quorum can tell; rejects with RUN_UNKNOWN where one says that there is none,
   * with RUN_GONE where it was dropped.
   */
  async #sealedOf(jobId: string, signal?: AbortSignal): Promise<SealedAnnouncement | undefined> {
    const runId = runIdOf(jobId)
    const shown = this.#parts.board.run(runId)
    if (shown !== undefined) return shown.sealed
    const { rosters } = this.#parts
    const current = rosters.current()?.roster.witnessEpoch ?? 0
    let isUnknown = current === 0
    // A run stays under the epoch that it was announced in: the newest ones first.
    for (let epoch = current; epoch > Math.max(0, current - RUN_EPOCHS_TRIED_MAX); epoch -= 1) {
      const found = await this.#parts.ledger.find(runId, epoch, { settle: 'write', signal })
      if (found.kind === 'chosen') return found.sealed
      if (found.kind === 'gone') throw new MeshError('RUN_GONE', { run: runId })
      // What was given up may never be known again, and is nobody's to wait for.
      isUnknown ||= found.kind === 'unknown' && !isLost(rosters.current()?.roster, epoch)
    }
    if (isUnknown) return undefined
    throw new MeshError('RUN_UNKNOWN', { id: runId })
  }
}

interface OpAsked {
  readonly opId: string
  readonly body: JobOpBody
}

const OP_ID_CHARACTERS = 32

/**
 * What may be the first thing that happens to a job: its create goes with it, in one value. The
 * others are said of a lease, and where there is none a no must be written down.
 */
function isFirstOp({ kind }: JobOpBody): boolean {
  return kind === 'claim' || kind === 'cancel' || kind === 'skip' || kind === 'error'
}

const UNRESOLVED: JobChange = {
  kind: 'unresolved',
  answered: 0,
  ambiguous: false,
  value: undefined,
  highestRound: 0,
  chosen: undefined,
  lagging: [],
  outstanding: [],
  refused: []
}

const GIVEN_UP: JobChange = { ...UNRESOLVED, kind: 'rejected', reason: 'absent', value: undefined }

const UNREACHABLE = { kind: 'unreachable', answered: 0 } as const

const NOBODY = {
  oks: 0,
  stale: 0,
  behind: 0,
  fenced: 0,
  moved: 0,
  quorum: Number.POSITIVE_INFINITY,
  cancel: undefined,
  startedAtMs: 0
}

function isOrigin({ announcement }: SealedAnnouncement, ref: ChangeRef): boolean {
  return ref.witnessEpoch === announcement.witnessEpoch
}

function specOf(sealed: SealedAnnouncement, jobId: string): JobSpec {
  const spec = sealed.announcement.manifest.jobs[jobIndexOf(jobId) ?? -1]
  if (spec === undefined) throw new MeshError('JOB_UNKNOWN', { id: jobId })
  return spec
}

function jobChangeOf(result: ChangeResult): JobChange {
  switch (result.kind) {
    case 'unresolved':
      return { ...result, value: undefined }
    case 'rejected':
      return { ...result, value: result.value === undefined ? undefined : jobOf(result.value) }
    default:
      return { ...result, value: jobOf(result.value) }
  }
}

function jobOf(value: RegisterValue): JobState {
  if (value.kind === 'job') return value
  throw new MeshError('BUG', { problem: `${value.register} holds a run` })
}
