import type { BoardJob } from './board-job.ts'
import type { JobPhase } from './job.ts'
import { phaseShown } from './move.ts'
import type { Manifest } from './run.ts'
import type { RunEvent } from './run-event.ts'

/** `leased` until its first step runs, then `running`; else the phase itself. */
export type SeenPhase = Exclude<JobPhase, 'moved'> | 'running'

/** Every field narrows; undefined asks for all. */
export interface JobFilter {
  readonly states?: readonly SeenPhase[] | undefined
  readonly repository?: string | undefined
  /** `refs/heads/main` or `main`. */
  readonly ref?: string | undefined
  /** What started its run. */
  readonly event?: RunEvent | undefined
  /** Peer id of the agent that holds the job, or held it last. */
  readonly holder?: string | undefined
  readonly runId?: string | undefined
  /** Only runs announced at this wall clock time or later. */
  readonly sinceMs?: number | undefined
}

export function seenPhase(job: Pick<BoardJob, 'state' | 'stage'>): SeenPhase {
  const phase = phaseShown(job.state)
  if (phase !== 'leased') return phase
  return job.stage?.name === 'step' || job.stage?.name === 'finishing' ? 'running' : 'leased'
}

export function matchesJob(job: BoardJob, filter: JobFilter): boolean {
  if (filter.states !== undefined && !matchesState(job, filter.states)) return false
  return filter.holder === undefined || holderOf(job) === filter.holder
}

/** Peer id of the agent that holds the job; of an ended one, who held it last. */
export function holderOf(job: Pick<BoardJob, 'state'>): string | undefined {
  const { state } = job
  if (state === undefined || state.phase === 'queued') return undefined
  return state.lease?.holder ?? state.history.at(-1)?.holder
}

/** The part of a filter that holds for all jobs of a run or for none. */
export function matchesRun(
  run: { readonly runId: string; readonly issuedAtMs: number; readonly manifest: Manifest },
  filter: JobFilter
): boolean {
  const { repository, ref, event, runId, sinceMs } = filter
  if (runId !== undefined && run.runId !== runId) return false
  if (sinceMs !== undefined && run.issuedAtMs < sinceMs) return false
  if (repository !== undefined && run.manifest.repository !== repository) return false
  if (event !== undefined && run.manifest.origin.event !== event) return false
  return ref === undefined || isRefNamed(run.manifest.origin.ref, ref)
}

/** True where `name`, `main` or `refs/heads/main`, means that ref. */
export function isRefNamed(ref: string, name: string): boolean {
  return ref === name || ref === `refs/heads/${name}`
}

// Who asks for `leased` or `running` means what is at work: the stage is soft and may lag behind.
function matchesState(job: BoardJob, states: readonly SeenPhase[]): boolean {
  const phase = phaseShown(job.state)
  return states.includes(phase) || (phase === 'leased' && states.includes('running'))
}

/** Place in the list of jobs, newest run first, then by index; exclusive. */
export interface JobCursor {
  readonly issuedAtMs: number
  readonly runId: string
  readonly index: number
}

/** Opaque for clients; safe in a URL. */
export function formatCursor(cursor: JobCursor): string {
  return `${cursor.issuedAtMs}-${cursor.runId}-${cursor.index}`
}

/** Undefined for text that is no cursor. */
export function parseCursor(text: string): JobCursor | undefined {
  const match = /^([0-9]{1,16})-([0-9A-Za-z]{1,64})-([0-9]{1,4})$/.exec(text)
  if (match === null) return undefined
  const [, issuedAtMs, runId = '', index] = match
  return { issuedAtMs: Number(issuedAtMs), runId, index: Number(index) }
}
