import type { BoardJob } from './board-job.ts'
import { FALLBACK_MS_DEFAULT } from './graph-limits.ts'
import { type AgentView, takesJobs } from './observation.ts'
import { fits } from './requirements.ts'
import type { JobSpec } from './run.ts'

/** An agent that leaves a job alone for others that the job prefers. */
export interface Deference {
  /** Names of those others. */
  readonly others: readonly string[]
  /** Wall clock from which on it may take the job all the same, milliseconds. */
  readonly untilMs: number
}

type Labels = Readonly<Record<string, string>>

/**
 * Whether the agent of these labels leaves the job to others for now: it lacks a label that the job
 * prefers, another agent has them all and could take the job, and the job has not waited for
 * `fallbackAfterMs` since it was announced. `issuedAtMs` is the gateway's wall clock and `nowMs` this
 * host's: where they differ, so does the wait.
 */
export function deferenceOf(
  job: BoardJob,
  own: { readonly peerId: string; readonly labels: Labels },
  agents: readonly AgentView[],
  times: { readonly issuedAtMs: number; readonly nowMs: number }
): Deference | undefined {
  const { prefer } = job.spec
  if (prefer === undefined || hasAll(own.labels, prefer)) return undefined
  const untilMs = fallbackAtMs(job.spec, times.issuedAtMs)
  if (times.nowMs >= untilMs) return undefined
  const others = preferred(job, agents).filter(
    ({ advertisement }) => advertisement.peerId !== own.peerId
  )
  // With nobody to wait for, the wait would only cost time.
  if (others.length === 0) return undefined
  return { others: others.map(({ advertisement }) => advertisement.name), untilMs }
}

/** Agents that the job prefers and that could take it, now or once they have room. */
export function preferred(job: BoardJob, agents: readonly AgentView[]): readonly AgentView[] {
  const { prefer } = job.spec
  if (prefer === undefined) return []
  return agents.filter((view) => {
    const { labels } = view.advertisement
    return takesJobs(view) && hasAll(labels, prefer) && fits(job, view.advertisement).length === 0
  })
}

/** When preferences no longer count, milliseconds of the clock of `issuedAtMs`. */
export function fallbackAtMs(
  { fallbackAfterMs = FALLBACK_MS_DEFAULT }: Pick<JobSpec, 'fallbackAfterMs'>,
  issuedAtMs: number
): number {
  return issuedAtMs + fallbackAfterMs
}

// A label named `constructor` must not find what every object inherits.
function hasAll(labels: Labels, wanted: Labels): boolean {
  return Object.entries(wanted).every(
    ([key, value]) => Object.hasOwn(labels, key) && labels[key] === value
  )
}
