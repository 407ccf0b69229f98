/* The numbers of runs that the calendar starts; docs/limits.md lists them as well. */

/** Milliseconds after its minute within which a run still begins; later it is left out. */
export const SCHEDULE_LATE_MS_MAX = 900_000
/** Milliseconds between two looks at a default branch of which no look has said that it moved. */
export const SCHEDULE_READ_EVERY_MS = 3_600_000
/** Milliseconds a repository over which the first looks are spread. */
export const SCHEDULE_SPREAD_MS = 200
/** Milliseconds before a head that could not be had is asked for again. */
export const SCHEDULE_RETRY_MS = 30_000
/** Milliseconds of one question for a head. */
export const SCHEDULE_LOOK_MS_MAX = 60_000
/** Repositories whose schedules are worked on side by side: each is one `git`. */
export const SCHEDULE_PARALLEL_MAX = 4
/** Milliseconds for which no schedule is looked at: the wall clock may be set meanwhile. */
export const SCHEDULE_TICK_MS_MAX = 60_000
