import type { JobPhase } from './job.ts'
import type { Manifest } from './run.ts'

/** What people see of a run; `received` until a quorum has chosen it, which no board ever shows. */
export type RunStatus =
  | 'received'
  | 'errored'
  | 'failed'
  | 'cancelled'
  | 'running'
  | 'queued'
  | 'succeeded'

/** Decision 13: the first of these that any job has. */
const PRECEDENCE: readonly RunStatus[] = [
  'errored',
  'failed',
  'cancelled',
  'running',
  'queued',
  'succeeded'
]

const SEEN_AS: Readonly<Record<JobPhase, RunStatus>> = {
  queued: 'queued',
  leased: 'running',
  succeeded: 'succeeded',
  failed: 'failed',
  errored: 'errored',
  cancelled: 'cancelled',
  skipped: 'succeeded',
  moved: 'running'
}

/** State of a chosen run from the phases of all its jobs. */
export function runStatusOf(
  manifest: Pick<Manifest, 'error'>,
  phases: readonly JobPhase[]
): RunStatus {
  // Green must mean that something ran: neither a broken file nor an empty run ever looks passed.
  if (manifest.error !== undefined) return 'errored'
  const seen = new Set(phases.map((phase) => SEEN_AS[phase]))
  return PRECEDENCE.find((status) => seen.has(status)) ?? 'errored'
}
