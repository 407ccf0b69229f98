import type { BoardJob } from './board-job.ts'
import { FALLBACK_MS_DEFAULT } from './graph-limits.ts'
import { type AgentView, takesJobs } from './observation.ts'
import { fits, type Offer, platformFor } from './requirements.ts'
import type { JobSpec } from './run.ts'

type Labels = Readonly<Record<string, string>>
type Suited = Pick<Offer, 'labels' | 'platforms'>

/**
 * The wall clock from which on the agent may take the job, milliseconds; undefined where it may.
 * It leaves the job to others for a time where it lacks a label that the job prefers, or would run
 * it by an emulator, and another agent that could take the job does better: until the job has
 * waited for `fallbackAfterMs` since it was announced. `issuedAtMs` is the gateway's wall clock and
 * `nowMs` this host's: where they differ, so does the wait.
 */
export function deferredUntilMs(
  job: BoardJob,
  own: Suited,
  agents: readonly AgentView[],
  times: { readonly issuedAtMs: number; readonly nowMs: number }
): number | undefined {
  if (!hasWishes(job.spec)) return undefined
  const missed = missedBy(job.spec, own)
  const untilMs = fallbackAtMs(job.spec, times.issuedAtMs)
  if (missed === 0 || times.nowMs >= untilMs) return undefined
  // The cheapest question first. With nobody to wait for, the wait would only cost time.
  const isBetter = agents.some((view) => {
    const { advertisement } = view
    if (!takesJobs(view) || missedBy(job.spec, advertisement) >= missed) return false
    return fits(job, advertisement).length === 0
  })
  return isBetter ? untilMs : undefined
}

/**
 * Of the agents that could take the job, now or once they have room, those that suit it best; none
 * where all do alike.
 */
export function preferred(job: BoardJob, agents: readonly AgentView[]): readonly AgentView[] {
  if (!hasWishes(job.spec)) return []
  const able = agents.filter((view) => {
    return takesJobs(view) && fits(job, view.advertisement).length === 0
  })
  const missed = able.map(({ advertisement }) => missedBy(job.spec, advertisement))
  const least = Math.min(...missed)
  const best = able.filter((_, index) => missed[index] === least)
  // Of those that lack all labels nobody is preferred, and there is nothing to wait for.
  const isWished = best.length < able.length || (job.spec.prefer !== undefined && least === 0)
  return isWished ? best : []
}

/** When preferences no longer count, milliseconds of the clock of `issuedAtMs`. */
export function fallbackAtMs(
  { fallbackAfterMs = FALLBACK_MS_DEFAULT }: Pick<JobSpec, 'fallbackAfterMs'>,
  issuedAtMs: number
): number {
  return issuedAtMs + fallbackAfterMs
}

type Wishes = Pick<JobSpec, 'platform' | 'emulation' | 'prefer'>

function hasWishes({ platform, emulation, prefer }: Wishes): boolean {
  return prefer !== undefined || (platform !== undefined && emulation === 'allow')
}

/** How many of a job's wishes the host does not meet: its labels, and a processor of its own. */
function missedBy(spec: Wishes, { labels, platforms }: Suited): number {
  const lacksLabels = spec.prefer !== undefined && !hasAll(labels, spec.prefer)
  const emulates = spec.platform !== undefined && platformFor(spec, platforms)?.native !== true
  return Number(lacksLabels) + Number(emulates)
}

// A label named `constructor` must not find what every object inherits.
function hasAll(labels: Labels, wanted: Labels): boolean {
  return Object.entries(wanted).every(
    ([key, value]) => Object.hasOwn(labels, key) && labels[key] === value
  )
}
