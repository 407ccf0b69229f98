import type { Resume } from '../execute/attempt.ts'
import type { AttemptLog } from '../logs/attempt-log.ts'
import type { HolderParts, WonClaim } from './holder-parts.ts'

export interface JobLog {
  readonly attemptLog: AttemptLog
  /** Set where the lease was adopted. */
  readonly resume: Resume | undefined
}

/** The log of the attempt: a new one, or that of a process before this one and how far it came. */
export async function openLog(
  { logs }: Pick<HolderParts, 'logs'>,
  { jobId, state: { epoch }, sealed, progress }: WonClaim
): Promise<JobLog> {
  const { gateway } = sealed.announcement
  if (progress === undefined) {
    return { attemptLog: logs.open(jobId, epoch, gateway), resume: undefined }
  }
  const { log, lines } = await logs.resume(jobId, epoch, gateway)
  const step = progress.step + 1
  const logged = { out: lines(step, 'out'), err: lines(step, 'err') }
  return { attemptLog: log, resume: { progress, logged } }
}
