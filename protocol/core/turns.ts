import type { Board } from './board.ts'
import type { BoardJob } from './board-job.ts'
import { GROUP_HOLD_MS_MAX } from './graph-limits.ts'
import { groupOf } from './groups.ts'
import { isTerminal } from './job.ts'
import { jobIdOf } from './run.ts'

/** What keeps a queued job from being claimed, whoever would claim it. */
export type Hold =
  /** Jobs that it needs, and that have not ended yet. */
  | { readonly kind: 'needs'; readonly on: readonly BoardJob[] }
  /** A job that it needs has ended, but not well: this one is not to run at all. */
  | { readonly kind: 'broken'; readonly by: BoardJob }
  /** Another of its group runs, or goes first. */
  | { readonly kind: 'group'; readonly behind: BoardJob }

/** What of a board says whose turn it is. */
export type TurnsBoard = Pick<Board, 'job' | 'groupRanMs'>

/**
 * Whose turn it is among jobs that depend on one another, by what this member's board shows.
 *
 * A board is made of chosen values alone, and an end that is chosen never changes: so what is said
 * of needs is final here, although it was learned at some time past, and no read before a claim
 * could add to it. Were hints or half-accepted values shown there, a job could be claimed after a
 * need whose end is overtaken, and no witness would refuse: it sees one register, not two.
 *
 * Of groups the board shows what this member has heard. A job that it does not know of, or whose
 * lease it has not heard of, keeps nobody waiting: see docs/pipeline.md on what is promised.
 */
export class Turns {
  readonly #board: TurnsBoard
  readonly #nowMs: number
  /** Jobs of each group that have not ended, oldest run first, then by index. */
  readonly #groups = new Map<string, BoardJob[]>()

  /**
   * `open` as `Board.openJobs` gives it: in the order in which jobs of a group have their turn.
   * `nowMs` is the wall clock here; without it no job has been queued for too long.
   */
  constructor(
    open: readonly BoardJob[],
    board: TurnsBoard,
    nowMs: number = Number.NEGATIVE_INFINITY
  ) {
    this.#board = board
    this.#nowMs = nowMs
    for (const job of open) {
      const key = groupOf(job)
      if (key === undefined) continue
      const group = this.#groups.get(key)
      if (group === undefined) this.#groups.set(key, [job])
      else group.push(job)
    }
  }

  /** Undefined for a job that may be claimed. One that has a lease has had its group's turn. */
  holdOf(job: BoardJob): Hold | undefined {
    return needsHold(job, this.#board) ?? (isQueued(job) ? this.#groupHold(job) : undefined)
  }

  /** The jobs of its group that have not ended, in order; none for a job without one. */
  groupOf(job: BoardJob): readonly BoardJob[] {
    return this.#groups.get(groupOf(job) ?? '') ?? []
  }

  #groupHold(job: BoardJob): Hold | undefined {
    const group = this.groupOf(job)
    const running = group.find((other) => !isQueued(other))
    if (running !== undefined) return { kind: 'group', behind: running }
    let holdMs = GROUP_HOLD_MS_MAX
    for (const other of group) {
      if (other.jobId === job.jobId) return undefined
      // One that waits for its needs keeps nobody waiting: it might be for this very job.
      if (needsHold(other, this.#board) !== undefined) continue
      if (this.#nowMs - this.#waitsSinceMs(other) < holdMs) return { kind: 'group', behind: other }
      // One that nobody can run must not keep its group for ever. Each further one takes as long
      // again: else all that have waited behind it would have their turn at once.
      holdMs += GROUP_HOLD_MS_MAX
    }
    return undefined
  }

  /**
   * Since when a queued job could have been claimed, as far as this member knows. While its needs
   * or another of its group ran it could not: counted from its announcement, all that have queued
   * for long would have their turn at once when that one ends.
   */
  #waitsSinceMs(job: BoardJob): number {
    const { issuedAtMs, changedAtMs, runId, spec } = job
    const needs = (spec.needs ?? []).map((index) => {
      return this.#board.job(jobIdOf(runId, index))?.changedAtMs ?? issuedAtMs
    })
    const ranMs = this.#board.groupRanMs(groupOf(job) ?? '') ?? issuedAtMs
    return Math.max(issuedAtMs, changedAtMs, ranMs, ...needs)
  }
}

/** By the needs of the job alone. */
export function needsHold(job: BoardJob, board: Pick<Board, 'job'>): Hold | undefined {
  const on: BoardJob[] = []
  for (const index of job.spec.needs ?? []) {
    const needed = board.job(jobIdOf(job.runId, index))
    // A board has all jobs of a run or none: without this a need that it lacked would count as met.
    if (needed === undefined) return { kind: 'needs', on: [] }
    const phase = needed.state?.phase ?? 'queued'
    if (phase === 'succeeded') continue
    // Where a stop-sign is shown the job goes on elsewhere.
    if (isTerminal(phase) && phase !== 'moved') return { kind: 'broken', by: needed }
    on.push(needed)
  }
  return on.length === 0 ? undefined : { kind: 'needs', on }
}

/** Nobody holds it. */
export function isQueued({ state }: BoardJob): boolean {
  return state === undefined || state.phase === 'queued'
}
