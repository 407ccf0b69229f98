import type { Board } from './board.ts'
import type { BoardJob } from './board-job.ts'
import type { JobOpBody } from './job.ts'
import { needsHold, Turns, type TurnsBoard } from './turns.ts'

/** What has to happen to a job because of another one. */
export interface Consequence {
  readonly jobId: string
  readonly runId: string
  /** What its operation id is made of: two members that find the same want the same. */
  readonly because: string
  readonly body: Extract<JobOpBody, { readonly kind: 'skip' | 'cancel' }>
}

/**
 * A job is skipped once one that it needs has ended otherwise than well, or cancelled where it was
 * claimed too early all the same; an older one of a group is cancelled once a newer run has one in
 * it that asks for that. `open` as in `Turns`.
 */
export function consequencesOf(
  open: readonly BoardJob[],
  board: TurnsBoard
): readonly Consequence[] {
  const turns = new Turns(open, board)
  return open.flatMap((job) => brokenOf(job, board) ?? supersedingOf(job, turns) ?? [])
}

function brokenOf(job: BoardJob, board: Pick<Board, 'job'>): Consequence | undefined {
  const { jobId, runId, state } = job
  const hold = needsHold(job, board)
  if (hold?.kind !== 'broken' || state?.cancel !== undefined) return undefined
  const { by } = hold
  const reason = `needs ${by.spec.name}, which ${ended(by)}`
  // Leased by a member that does not keep to the rules: its own code may have run, so that it is no
  // skip. Left alone it would have no end once that member is gone, since nobody else claims it.
  const kind = (state?.phase ?? 'queued') === 'queued' ? 'skip' : 'cancel'
  return { jobId, runId, because: `${kind}|${by.jobId}`, body: { kind, reason } }
}

function supersedingOf(job: BoardJob, turns: Turns): Consequence | undefined {
  // Asked already: a second reason would change nothing.
  if (job.spec.concurrency === undefined || job.state?.cancel !== undefined) return undefined
  const group = turns.groupOf(job)
  const behind = group.slice(group.findIndex(({ jobId }) => jobId === job.jobId) + 1)
  // Within a run they take turns: a matrix must not cancel all of itself but one.
  const newer = behind.find(
    ({ runId, spec }) => runId !== job.runId && spec.concurrency?.cancelSuperseded === true
  )
  if (newer === undefined) return undefined
  const { jobId, runId } = job
  const body = { kind: 'cancel', reason: `superseded by run ${newer.runId}` } as const
  return { jobId, runId, because: `superseded|${newer.runId}`, body }
}

function ended({ state }: BoardJob): string {
  switch (state?.phase) {
    case 'failed':
      return 'failed'
    case 'errored':
      return 'errored'
    case 'cancelled':
      return 'was cancelled'
    case 'skipped':
      return 'was skipped'
    default:
      return 'has not succeeded'
  }
}
