import type { LogStore } from '../store/log-store.ts'
import type { Member } from './member.ts'

export interface JobWatchParts {
  readonly logs: Pick<LogStore, 'watch'>
  readonly member: Pick<Member, 'on'>
}

/** Calls `listener` when lines of the job were kept here, or the board has news of it. */
export function watchJob(
  { logs, member }: JobWatchParts,
  jobId: string,
  listener: () => void
): () => void {
  const unwatch = logs.watch(jobId, listener)
  const unsubscribe = member.on((event) => {
    if (event.kind === 'job' && event.jobId === jobId) listener()
  })
  return () => {
    unwatch()
    unsubscribe()
  }
}
