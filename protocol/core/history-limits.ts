/*
 * How a member that starts reads what happened before it (docs/protocol.md, "Anti-entropy").
 */

/** Runs of one store that are sorted into work and history; what is beyond is read at once. */
export const FIRST_LOOK_RUNS_MAX = 50_000
/** Past runs that wait to be read, of all stores together: some 20 MB. */
export const HISTORY_RUNS_MAX = 50_000
/** Rest after each past run, as a multiple of what it took: a quarter of one reader's time. */
export const HISTORY_REST_FACTOR = 3
/** Milliseconds of the longest such rest: a quorum that was slow once is no reason to stop. */
export const HISTORY_REST_MS_MAX = 2_000
