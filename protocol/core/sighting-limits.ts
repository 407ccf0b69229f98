/*
 * What is concluded from the requests of members that share a key.
 */

/**
 * Milliseconds after the first request of a member's new process in which one of the process before
 * it may still come in: requests end long before.
 */
export const LATE_REQUEST_MS_MAX = 15_000
/** Milliseconds for which two processes with one key are told of after the last request of both. */
export const KEY_SHARED_SHOWN_MS = 600_000
