/*
 * What an agent claims, rests from and cleans up, exported by limits.ts with all the others.
 */

/** Jobs that one agent is about to claim; the rest is looked at when these are settled. */
export const CLAIMS_PENDING_MAX = 64
/**
 * Leases of others that one agent watches: each costs a read of a quorum when it may have ended.
 */
export const WATCHES_MAX = 256
/** Milliseconds that a job rests after a claim that failed: the board may not know yet why. */
export const CLAIM_REST_MS = 500
/**
 * Times that a job is given back before the next trouble of ours ends it: hosts that all fail at it
 * must not pass it round for ever.
 */
export const GIVE_BACKS_MAX = 10
/** Milliseconds that a host claims nothing after it could not run a job; it doubles each time. */
export const HOST_REST_MS_MIN = 1_000
/** Milliseconds of the longest such rest: the engine of a host may be back any minute. */
export const HOST_REST_MS_MAX = 60_000
/** Milliseconds that a host leaves a job alone which it had to give back; it doubles each time. */
export const JOB_REST_MS_MIN = 5_000
/**
 * Milliseconds of the longest such rest: a registry or forge that is away for long costs little.
 */
export const JOB_REST_MS_MAX = 300_000
/** Jobs of which an agent remembers that it gave them back; a forgotten one is tried sooner. */
export const JOBS_RESTING_MAX = 1_024
/**
 * Milliseconds between two looks for containers, volumes and folders that nobody owns any more.
 */
export const REAP_EVERY_MS = 60_000
