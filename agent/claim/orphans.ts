import type { BoardJob } from '../../protocol/core/board-job.ts'
import { endLease } from './ending.ts'
import type { HolderParts } from './holder-parts.ts'
import { settleRecord } from './recovery.ts'

/** Leased to this agent, but by nothing that runs here: an earlier process won it and died. */
export function orphansOf(
  open: readonly BoardJob[],
  peerId: string,
  taken: ReadonlySet<string>
): readonly BoardJob[] {
  return open.filter((job) => job.state?.lease?.holder === peerId && !taken.has(job.jobId))
}

/**
 * Ends a lease of ours that nobody here holds. With a record there may be a container: it is
 * confirmed gone first (4.12.13). No record means that none was ever made, since the record is
 * synced before one is.
 */
export async function endOrphan(
  parts: HolderParts,
  jobId: string,
  signal: AbortSignal
): Promise<void> {
  const { registers, attempts, executor, log } = parts
  const record = (await attempts.all()).find(({ register }) => register === jobId)
  if (record !== undefined) {
    await executor.clear(record.claimId)
    await settleRecord(parts, record, signal)
    return
  }
  const state = registers.board.job(jobId)?.state
  if (state?.lease === undefined) return
  const { epoch } = state
  const { claimId } = state.lease
  const body = {
    kind: 'release',
    epoch,
    claimId,
    reason: 'agent_lost',
    userCodeRan: false
  } as const
  const change = await endLease(parts, jobId, body, signal)
  log.warn({ job: jobId, epoch, answer: change?.kind }, 'orphan released')
}
