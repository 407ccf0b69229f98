/*
 * When the disk of a member counts as nearly full, and what is kept back for that.
 */

/** Per cent of a disk that must be free: below, nothing new is begun on it. */
export const DISK_LOW_PERCENT = 5
/** Per cent from which on something new is begun again: one job that ends must not flap it. */
export const DISK_ROOM_PERCENT = 7
/** Per cent below which the ballast is given up: what runs needs its last writes. */
export const DISK_FULL_PERCENT = 1
/**
 * Bytes of the smallest disk that is watched: of a smaller one 5 % are less than one batch of the
 * store, and the first failed write says it as soon.
 */
export const DISK_WATCHED_BYTES_MIN = 83_886_080
/** Milliseconds between two looks at the disk: one cheap call. */
export const DISK_CHECK_EVERY_MS = 5_000
/** Bytes of the ballast: a start, a compaction of the store and the ends of all jobs fit. */
export const BALLAST_BYTES = 67_108_864
/** Bytes of the largest store that a look from outside copies: opening it would change it. */
export const STORE_COPY_BYTES_MAX = 1_073_741_824
/** The ballast is at most one part in so many of its disk: less than DISK_LOW_PERCENT of it. */
export const BALLAST_PARTS_MIN = 32
