import type { Board } from '../core/board.ts'
import type { BoardJob } from '../core/board-job.ts'
import { MeshError } from '../core/errors.ts'

/** The job that a full or short id names. Throws JOB_UNKNOWN, JOB_AMBIGUOUS. */
export function findJob(board: Board, id: string): BoardJob {
  const exact = board.job(id)
  if (exact !== undefined) return exact
  const found = board.find(id)
  if (found.length > 1) {
    const candidates = found.map((jobId) => board.shortId(jobId)).join(', ')
    throw new MeshError('JOB_AMBIGUOUS', { id, candidates })
  }
  const job = board.job(found[0] ?? '')
  if (job === undefined) throw new MeshError('JOB_UNKNOWN', { id })
  return job
}
