import { findJob } from '../../protocol/api/job-lookup.ts'
import type { BoardJob } from '../../protocol/core/board-job.ts'
import { codeOf, MeshError } from '../../protocol/core/errors.ts'
import { isTerminal } from '../../protocol/core/job.ts'
import { jobIndexOf, runIdOf } from '../../protocol/core/run.ts'
import type { ApiParts } from './parts.ts'
import { runDocument } from './run-view.ts'
import type { RunDocument } from './schemas.ts'

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
    throw (await refusalOf(parts, id)) ?? error
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
    // Short for several runs, none of which has a job of this index.
    const isNone = codeOf(error) === 'RUN_UNKNOWN' || codeOf(error) === 'RUN_AMBIGUOUS'
    if (isNone) return undefined
    throw error
  }
}
