import type { Board } from '../core/board.ts'
import type { ChangeFacts, ChangeResult } from '../core/change.ts'
import { MeshError } from '../core/errors.ts'
import type { JobOpBody, JobState } from '../core/job.ts'
import type { RejectReason } from '../core/job-reducer.ts'
import { CHOSEN_RUNS_MAX, RUN_EPOCHS_TRIED_MAX } from '../core/limits.ts'
import type { RegisterValue, Stage } from '../core/messages.ts'
import type { Digest, OpSigner } from '../core/ports.ts'
import { type JobSpec, jobIndexOf, runIdOf, type SealedAnnouncement } from '../core/run.ts'
import { attemptsMaxOf } from './announcement-terms.ts'
import type { BoardFeed } from './board-feed.ts'
import { Lru } from './lru.ts'
import type { ChangeRef, RegisterClient } from './register-client.ts'
import type { Renewals, RenewTally } from './renewals.ts'
import type { RosterView } from './roster-book.ts'
import { type RunLedger, refOf } from './run-ledger.ts'

export interface JobAccessParts {
  readonly board: Board
  readonly feed: Pick<BoardFeed, 'foldJob'>
  readonly client: Pick<RegisterClient, 'change' | 'read'>
  readonly ledger: RunLedger
  readonly renewals: Renewals
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
    const ref = this.#refOf(sealed, jobId)
    const isCreated = this.#parts.board.job(jobId)?.state !== undefined || body.kind === 'create'
    if (!isCreated) {
      const created = await this.#create(ref, spec, options)
      if (created.kind !== 'applied' && created.kind !== 'same') return created
    }
    return await this.#apply(ref, opId, body, options)
  }

  async read(jobId: string, signal?: AbortSignal): Promise<JobRead> {
    const sealed = await this.#sealedOf(jobId, signal)
    if (sealed === undefined) return { kind: 'unreachable', answered: 0 }
    specOf(sealed, jobId)
    const ref = this.#refOf(sealed, jobId)
    const read = await this.#parts.client.read(ref, { settle: 'write', signal })
    if (read.kind !== 'chosen') {
      return { kind: 'unreachable', answered: read.kind === 'unreachable' ? read.answered : 0 }
    }
    const { leaseRemainingMs, stage } = read
    const state = read.value?.kind === 'job' ? read.value : undefined
    if (state !== undefined) this.#parts.feed.foldJob(state, stage)
    return { kind: 'chosen', state, leaseRemainingMs, stage }
  }

  async renew(items: readonly HeldLease[], signal?: AbortSignal): Promise<readonly RenewOutcome[]> {
    const known = items.flatMap(({ jobId, ...lease }) => {
      const ref = this.#refs.get(jobId)
      return ref === undefined ? [] : [{ ref, ...lease }]
    })
    const tallies = await this.#parts.renewals.renew(known, signal)
    const byRegister = new Map(tallies.map((tally) => [tally.register, tally]))
    return items.map(({ jobId }) => ({ ...(byRegister.get(jobId) ?? NOBODY), jobId }))
  }

  /** The first op on a job's register, lazily and by whoever comes first (4.12.7). */
  async #create(ref: ChangeRef, spec: JobSpec, options: JobChangeOptions): Promise<JobChange> {
    const { annHash } = ref.ann
    const { digest } = this.#parts
    const opId = digest.text(`${ref.register}|create|${annHash}`).slice(0, OP_ID_CHARACTERS)
    const body = { kind: 'create', annHash, attemptsMax: attemptsMaxOf(spec) } as const
    const created = await this.#apply(ref, opId, body, options)
    // Of the create it may be: what was asked for was never sent.
    return created.kind === 'unresolved' ? { ...created, ambiguous: false } : created
  }

  async #apply(
    ref: ChangeRef,
    opId: string,
    body: JobOpBody,
    { signal }: JobChangeOptions
  ): Promise<JobChange> {
    const op = await this.#parts.signer.jobOp(ref.register, opId, body)
    // The end of a lease is said again after a restart: its first accept may be out there still.
    const maybeSent = body.kind === 'complete' || body.kind === 'release'
    const result = await this.#parts.client.change(ref, op, { maybeSent, signal })
    const change = jobChangeOf(result)
    // A busy or refused op still shows a chosen value, but for a busy one that was only promised.
    if (change.value !== undefined && result.chosen !== undefined) {
      this.#parts.feed.foldJob(change.value)
    }
    return change
  }

  #refOf(sealed: SealedAnnouncement, jobId: string): ChangeRef {
    const ref = refOf(sealed, jobId)
    this.#refs.set(jobId, ref)
    return ref
  }

  /**
   * Undefined where no quorum can tell; rejects with RUN_UNKNOWN where one says that there is none.
   */
  async #sealedOf(jobId: string, signal?: AbortSignal): Promise<SealedAnnouncement | undefined> {
    const runId = runIdOf(jobId)
    const shown = this.#parts.board.run(runId)
    if (shown !== undefined) return shown.sealed
    const current = this.#parts.rosters.current()?.roster.witnessEpoch ?? 0
    let isUnknown = current === 0
    // A run stays under the epoch that it was announced in: the newest ones first.
    for (let epoch = current; epoch > Math.max(0, current - RUN_EPOCHS_TRIED_MAX); epoch -= 1) {
      const found = await this.#parts.ledger.find(runId, epoch, { settle: 'write', signal })
      if (found.kind === 'chosen') return found.sealed
      isUnknown ||= found.kind === 'unknown'
    }
    if (isUnknown) return undefined
    throw new MeshError('RUN_UNKNOWN', { id: runId })
  }
}

const OP_ID_CHARACTERS = 32

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

const NOBODY = {
  oks: 0,
  stale: 0,
  behind: 0,
  fenced: 0,
  quorum: Number.POSITIVE_INFINITY,
  cancel: undefined,
  startedAtMs: 0
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
