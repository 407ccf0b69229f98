/*
 * When the disk of a witness counts as too slow (lease-protocol 5, F23).
 */

/** Milliseconds of a sync that 99 of 100 must keep below: half of a request's time is spent then. */
export const SYNC_SLOW_MS = 1_000
/** Syncs that are looked at: the newest ones, or one bad minute would be told for hours. */
export const SYNC_SAMPLES_MAX = 512
/** Syncs below which nothing is said: one slow first one is no slow disk. */
export const SYNC_SAMPLES_MIN = 16
/** Milliseconds after which a sync counts no more. */
export const SYNC_WINDOW_MS = 600_000
