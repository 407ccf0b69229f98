import type { Board } from '../../protocol/core/board.ts'
import type { Cancellation, JobOpBody, JobState } from '../../protocol/core/job.ts'
import type { LeaseProfile } from '../../protocol/core/lease-profile.ts'
import type { Stage } from '../../protocol/core/messages.ts'

/** What the claim room asks of the mesh; `Member` is the real one. */
export interface Registers {
  readonly peerId: string
  readonly boot: string
  readonly board: Board
  /** The timers of the current roster. */
  profile(): LeaseProfile
  /** Those that a claim of this job gets: of the roster of its witnesses. */
  leaseProfile(jobId: string): LeaseProfile
  /** The witness epoch under which the job is now. */
  witnessEpochOf(jobId: string): number | undefined
  /** Resolves with a definite answer, or `unresolved` after its bounded rounds. Never rejects. */
  changeJob(jobId: string, opId: string, body: JobOpBody): Promise<JobChange>
  readJob(jobId: string): Promise<JobRead>
  renew(items: readonly HeldLease[]): Promise<readonly RenewOutcome[]>
  /** Tells the others that this register has changed. */
  hint(jobId: string): Promise<void>
}

export type JobChange =
  | { readonly kind: 'applied' | 'same'; readonly value: JobState | undefined }
  | {
      readonly kind: 'rejected'
      readonly reason: string
      readonly value: JobState | undefined
    }
  | { readonly kind: 'busy'; readonly retryInMs: number; readonly value: JobState | undefined }
  | { readonly kind: 'unresolved'; readonly value: JobState | undefined }

export type JobRead =
  | {
      readonly kind: 'chosen'
      readonly state: JobState | undefined
      /** The quorum's view: 0 once enough witnesses would let another claim in. */
      readonly leaseRemainingMs: number
    }
  | { readonly kind: 'unreachable'; readonly answered: number }

export interface HeldLease {
  readonly jobId: string
  readonly epoch: number
  readonly claimId: string
  readonly stage: Stage
}

export interface RenewOutcome {
  readonly jobId: string
  readonly oks: number
  readonly stale: number
  readonly behind: number
  readonly fenced: number
  readonly quorum: number
  readonly cancel: Cancellation | undefined
}
