import { isTerminal } from '../../protocol/core/job.ts'
import { CLAIM_REST_MS } from '../../protocol/core/limits.ts'
import { type Given, needsVariables } from '../../protocol/core/needs-variables.ts'
import type { Outputs } from '../../protocol/core/outputs.ts'
import { jobIdOf } from '../../protocol/core/run.ts'
import { type EndingParts, pause } from './ending.ts'
import type { WonClaim } from './holder-parts.ts'

/** The variables that a job gets of those that it needs; none once `signal` aborts. */
export async function neededBy(
  parts: EndingParts,
  { spec, sealed }: WonClaim,
  signal: AbortSignal
): Promise<Readonly<Record<string, string>>> {
  const { runId, manifest } = sealed.announcement
  const given: Given[] = []
  for (const index of spec.needs ?? []) {
    const needed = manifest.jobs[index]
    const outputs = await outputsOf(parts, jobIdOf(runId, index), signal)
    if (needed !== undefined && outputs !== undefined) given.push({ spec: needed, outputs })
  }
  return needsVariables(given)
}

/** Of a process that has just started the board may not know them: then the register is asked. */
async function outputsOf(
  { registers, clock }: EndingParts,
  jobId: string,
  signal: AbortSignal
): Promise<Outputs | undefined> {
  const shown = registers.board.job(jobId)?.state
  if (shown !== undefined && isTerminal(shown.phase) && shown.phase !== 'moved') {
    return shown.outcome?.outputs
  }
  while (!signal.aborted) {
    const read = await registers.readJob(jobId)
    if (read.kind === 'chosen') return read.state?.outcome?.outputs
    await pause(clock, CLAIM_REST_MS, signal)
  }
  return undefined
}
