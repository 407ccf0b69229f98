import { findJob } from '../../protocol/api/job-lookup.ts'
import type { BoardJob } from '../../protocol/core/board-job.ts'
import { codeOf, MeshError } from '../../protocol/core/errors.ts'
import { isTerminal } from '../../protocol/core/job.ts'
import { jobIndexOf, runIdOf } from '../../protocol/core/run.ts'
import type { ApiParts } from './parts.ts'
import { runDocument } from './run-view.ts'
import type { RunDocument } from './schemas.ts'

/** Of a run that has no such job now; RUN_AMBIGUOUS: short for several, each with others. */
const IS_NONE: ReadonlySet<string> = new Set(['RUN_UNKNOWN', 'RUN_AMBIGUOUS', 'RUN_GONE'])

/**
 * The job that a full or short id names, if the board has it. Rejects with JOB_UNKNOWN,
 * JOB_AMBIGUOUS; of a run that was taken here and is not on the board with RUN_NOT_OPEN, as a
 * cancel of that run does, or JOB_ENDED; QUORUM_UNREACHABLE where its witnesses have to be asked.
 */
export async function jobToCancel(parts: ApiParts, id: string): Promise<BoardJob> {
  try {
    return findJob(parts.board, id)
  } catch (error) {
    if (codeOf(error) !== 'JOB_UNKNOWN') throw error
    // Whoever has its run's id from the answer to a delivery would take its job for none at all.
    const refusal = await refusalOf(parts, id)
    if (refusal !== undefined) throw refusal
    // Its run may have come to the board while that was asked.
    return findJob(parts.board, id)
  }
}

/** Undefined where there is no such run, or it has no such job. */
async function refusalOf(parts: ApiParts, id: string): Promise<MeshError | undefined> {
  const index = jobIndexOf(id)
  const run = index === undefined ? undefined : await runOf(parts, runIdOf(id))
  if (run === undefined || parts.board.run(run.id) !== undefined) return undefined
  const job = run.jobs.find((each) => each.id === `${run.id}.${index}`)
  if (run.jobs.length > 0 && job === undefined) return undefined
  if (job !== undefined && job.state !== 'running' && isTerminal(job.state)) {
    return new MeshError('JOB_ENDED', { id: job.id, state: job.state })
  }
  return new MeshError('RUN_NOT_OPEN', { id: run.id, state: run.state })
}

async function runOf(parts: ApiParts, id: string): Promise<RunDocument | undefined> {
  try {
    return await runDocument(parts, id)
  } catch (error) {
    if (IS_NONE.has(codeOf(error) ?? '')) return undefined
    throw error
  }
}
