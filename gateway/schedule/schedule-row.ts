import type { ScheduleEntry } from './planned.ts'

/** The schedules of one repository, and how far each has come; kept in the store. */
export interface ScheduleRow {
  readonly repository: string
  readonly url: string
  /** The default branch, and its commit whose file this is of; '' where there is none yet. */
  readonly branch: string
  readonly commit: string
  readonly entries: readonly ScheduleEntry[]
}
