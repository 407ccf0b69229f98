/*
 * How long ended runs are kept, and how their end is remembered (lease-protocol 4.10).
 */

/** Milliseconds that a witness keeps an ended run: a week to look at what happened. */
export const RETENTION_MS = 604_800_000
/**
 * Milliseconds that a witness remembers what it dropped: a push that is sent again within 90 days
 * finds its run ended, whoever announces it.
 */
export const TOMBSTONE_KEPT_MS = 7_776_000_000
/**
 * Milliseconds in which a forge or a person sends a delivery again, as long as GitHub does: no
 * floor rises before, and in a witness epoch that ended longer ago no run begins.
 */
export const REDELIVERY_MS = 259_200_000
/** Milliseconds between two looks of a witness for runs that it may drop. */
export const RETENTION_SWEEP_EVERY_MS = 3_600_000
/** Runs that such a look takes at a time; requests of others go between. */
export const RETENTION_PAGE_RUNS = 64
/** Milliseconds between two such pages: a look at a million registers must not fill a core. */
export const RETENTION_PAUSE_MS = 50
/** Open registers of old runs that such a look asks the other witnesses about. */
export const RETENTION_READS_MAX = 64
/** Milliseconds between two looks of a gateway at its announcements for ended runs. */
export const FLOOR_SWEEP_EVERY_MS = 600_000
/** Runs that such a look asks witnesses about; those that the board shows cost nothing. */
export const FLOOR_READS_MAX = 64
/**
 * Announcements of one gateway that may be open: each is a row and about 200 bytes of memory.
 */
export const ANNOUNCEMENTS_OPEN_MAX = 200_000
