import { createHash } from 'node:crypto'
import type { RunOrigin } from '../../protocol/core/run.ts'
import { SCHEDULE_LATE_MS_MAX } from '../../protocol/core/schedule-limits.ts'
import { nextOf } from '../../protocol/pipeline/cron.ts'

/** One line of `on.schedule`, and how far it has come. */
export interface ScheduleEntry {
  readonly cron: string
  /** Undefined takes the default branch. */
  readonly branch?: string | undefined
  /** Wall clock: no minute up to here is to be run. */
  readonly afterMs: number
}

/** What has come of an entry by now; both undefined where nothing has. */
export interface Planned {
  /** The minute that is to be run: the last one, where several have passed. */
  readonly runMs: number | undefined
  /** The first minute that passed and is not run. */
  readonly missedMs: number | undefined
}

/** What `nowMs` brings: of a time away one run, and none for a minute too long ago. */
export function plannedBy(entry: ScheduleEntry, nowMs: number): Planned {
  const { cron } = entry
  const afterMs = Math.min(entry.afterMs, nowMs)
  const firstMs = nextOf(cron, afterMs)
  if (firstMs > nowMs) return { runMs: undefined, missedMs: undefined }
  let runMs: number | undefined
  // A minute earlier, so that the limit itself counts as within.
  let atMs = nextOf(cron, Math.max(afterMs, nowMs - SCHEDULE_LATE_MS_MAX - 1))
  while (atMs <= nowMs) {
    runMs = atMs
    atMs = nextOf(cron, atMs)
  }
  return { runMs, missedMs: firstMs === runMs ? undefined : firstMs }
}

/**
 * Wall clock of the first minute that any of them plans. One that has come further than `nowMs` was
 * planned by a clock that has been set back since: what it began is known by its name.
 */
export function firstPlannedMs(entries: readonly ScheduleEntry[], nowMs: number): number {
  const times = entries.map(({ cron, afterMs }) => nextOf(cron, Math.min(afterMs, nowMs)))
  return Math.min(Number.POSITIVE_INFINITY, ...times)
}

/** The entries of a file just read; those that were there before go on where they were. */
export function entriesFrom(
  schedules: readonly { readonly cron: string; readonly branch: string | undefined }[],
  before: readonly ScheduleEntry[],
  nowMs: number
): readonly ScheduleEntry[] {
  return schedules.map(({ cron, branch }) => {
    const known = before.find((each) => each.cron === cron && each.branch === branch)
    // A new one begins now: its file may name a minute that has just passed.
    return { cron, branch, afterMs: known?.afterMs ?? nowMs }
  })
}

/** The same for one planned minute of one line on one branch, whoever runs it. */
export function nameOf(cron: string, ref: string, minuteMs: number): string {
  const text = JSON.stringify([cron, ref])
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 16)
  return `${new Date(minuteMs).toISOString().slice(0, 16)}Z ${digest}`
}

/** Of two runs: planned by one line for one minute, whatever commits they were read at. */
export function isSameMinute(one: RunOrigin, other: RunOrigin): boolean {
  const { event, forgeHost, repositoryId, ref, rerunNonce } = one
  return (
    event === other.event &&
    rerunNonce === other.rerunNonce &&
    ref === other.ref &&
    forgeHost === other.forgeHost &&
    repositoryId === other.repositoryId
  )
}
