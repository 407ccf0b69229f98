import type { BoardJob } from './board-job.ts'
import type { AgentView } from './observation.ts'
import { fallbackAtMs, preferred } from './preference.ts'
import type { Hold } from './turns.ts'

/** Needs that are named in one line; of more only the number is said. */
const NAMED_MAX = 3

/** One line for people on what keeps a queued job from being claimed. */
export function holdLine(hold: Hold, shortId: (jobId: string) => string): string {
  switch (hold.kind) {
    case 'needs':
      return `needs ${listed(hold.on.map((job) => `${job.spec.name}, which ${doing(job)}`))}`
    case 'broken':
      return `needs ${hold.by.spec.name}, which ${doing(hold.by)}: it is about to be skipped`
    case 'group': {
      const { jobId, spec } = hold.behind
      const group = spec.concurrency?.group ?? ''
      const which = `${spec.name} (${shortId(jobId)}), which ${doing(hold.behind)}`
      return `one at a time in group ${group}: behind ${which}`
    }
    default:
      return hold satisfies never
  }
}

/** Undefined where no preference keeps the job from being claimed by anybody. */
export function preferLine(
  job: BoardJob,
  agents: readonly AgentView[],
  nowMs: number
): string | undefined {
  const leftMs = fallbackAtMs(job.spec, job.issuedAtMs) - nowMs
  const names = preferred(job, agents).map(({ advertisement }) => advertisement.name)
  if (leftMs <= 0 || names.length === 0) return undefined
  const labels = Object.entries(job.spec.prefer ?? {}).map(([key, value]) => `${key}=${value}`)
  return `prefers ${labels.join(', ')}: ${listed(names)} may take it, others ${inTime(leftMs)}`
}

function doing({ state }: BoardJob): string {
  switch (state?.phase) {
    case 'leased':
    case 'moved':
      return 'runs'
    case 'failed':
    case 'errored':
    case 'succeeded':
      return state.phase
    case 'cancelled':
    case 'skipped':
      return `was ${state.phase}`
    default:
      return 'is queued'
  }
}

function inTime(ms: number): string {
  const seconds = Math.ceil(ms / 1_000)
  return seconds < 120 ? `in ${seconds} s` : `in ${Math.ceil(seconds / 60)} min`
}

function listed(items: readonly string[]): string {
  const shown = items.slice(0, NAMED_MAX).join('; ')
  return items.length <= NAMED_MAX ? shown : `${shown} and ${items.length - NAMED_MAX} more`
}
