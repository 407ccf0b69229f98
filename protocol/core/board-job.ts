import type { JobOrigin } from './host-policy.ts'
import type { JobState } from './job.ts'
import type { Stage } from './messages.ts'
import type { JobSpec } from './run.ts'
import type { Trust } from './trust.ts'

/** One job as a member's board has it: what is chosen, and when this member learned it. */
export interface BoardJob {
  readonly jobId: string
  readonly runId: string
  readonly spec: JobSpec
  /** Of the announcement: the gateway's wall clock, milliseconds. */
  readonly issuedAtMs: number
  readonly trust: Trust
  readonly origin: JobOrigin
  /** Undefined while the job's register is not known to be created: queued. */
  readonly state: JobState | undefined
  /** Of the register that the job has now: its run's, or where a stop-sign has sent it. */
  readonly witnessEpoch: number
  /** Where the running attempt is; soft, and undefined between attempts. */
  readonly stage: Stage | undefined
  /** Wall clock of this member when it learned the state, milliseconds. */
  readonly changedAtMs: number
  /** Likewise, of the latest lease's epoch; undefined before the first. */
  readonly holderSinceMs: number | undefined
}
