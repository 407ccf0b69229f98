import type { BoardJob } from '../../protocol/core/board-job.ts'
import { codeOf, MeshError } from '../../protocol/core/errors.ts'
import { type CancelTerms, isTerminal } from '../../protocol/core/job.ts'
import { BOARD_READS_MAX } from '../../protocol/core/limits.ts'
import type { ApiParts } from './parts.ts'
import { runDocument } from './run-view.ts'
import type { RunCancelled } from './schemas.ts'

/**
 * Orders the end of every job that is open. Rejects with RUN_UNKNOWN, RUN_NOT_OPEN, or as cancelJob
 * does for the first job that could not be told: said again, the order goes to what is still open.
 */
export async function cancelRun(
  parts: ApiParts,
  runId: string,
  terms: CancelTerms
): Promise<RunCancelled> {
  const open = parts.board.jobsOf(runId).filter(isOpen)
  if (open.length === 0) {
    const { state } = await runDocument(parts, runId)
    throw new MeshError('RUN_NOT_OPEN', { id: runId, state })
  }
  const jobs: RunCancelled['jobs'] = []
  for (let at = 0; at < open.length; at += BOARD_READS_MAX) {
    const few = open.slice(at, at + BOARD_READS_MAX)
    const told = await Promise.allSettled(few.map((job) => cancelOne(parts, job, terms)))
    for (const each of told) {
      if (each.status === 'rejected') throw each.reason
      jobs.push(each.value)
    }
  }
  return { run: await runDocument(parts, runId), jobs }
}

async function cancelOne(
  parts: ApiParts,
  job: BoardJob,
  terms: CancelTerms
): Promise<RunCancelled['jobs'][number]> {
  const { jobId: id } = job
  try {
    return { id, verdict: await parts.cancel(job, terms) }
  } catch (error) {
    // What needed another one is skipped with it, before its own order comes.
    if (codeOf(error) === 'JOB_ENDED') return { id, verdict: 'ended' }
    throw error
  }
}

function isOpen({ state }: BoardJob): boolean {
  return state === undefined || !isTerminal(state.phase)
}
