import { isTerminal } from '../../../protocol/core/job.ts'
import { jobIdOf, jobIndexOf, runIdOf } from '../../../protocol/core/run.ts'
import type { Checker } from '../events.ts'

/** Indices of the jobs that the job needs; none for one that is not known. */
export type NeedsOf = (jobId: string) => readonly number[]

/**
 * A job is leased only once all that it needs was chosen as succeeded, and skipped only once
 * something that it needs was chosen as ended otherwise.
 */
export function checkNeeds(needsOf: NeedsOf, rogues: ReadonlySet<string>): Checker {
  const ended = new Map<string, string>()
  return (event) => {
    if (event.kind !== 'chosen' || event.value.kind !== 'job') return
    const { register, phase, op } = event.value
    if (isTerminal(phase) && phase !== 'moved') ended.set(register, phase)
    const needs = needsOf(register).map((index) => ended.get(jobIdOf(runIdOf(register), index)))
    const what = `needs: ${runIdOf(register)}.${jobIndexOf(register)}`
    // No witness knows of needs: a member that lies can claim too early.
    const isClaim = op.body.kind === 'claim' && phase === 'leased' && !rogues.has(op.actor)
    if (isClaim && !needs.every((end) => end === 'succeeded')) {
      return `${what} is leased after ${needs.join(', ')}`
    }
    const isBroken = needs.some((end) => end !== undefined && end !== 'succeeded')
    if (phase === 'skipped' && !isBroken) return `${what} is skipped after ${needs.join(', ')}`
    return
  }
}
