/*
 * Limits of invites and of joining; docs/limits.md lists them with those of limits.ts.
 */

/** Invites that are open at a time: one a host that is being added. */
export const INVITES_OPEN_MAX = 16
/** Invites remembered, ended ones included: their holders are told why they are refused. */
export const INVITES_KEPT_MAX = 64
/** Milliseconds that an invite is good at most: while one is open, strangers are let in to join. */
export const INVITE_MS_MAX = 86_400_000
/** Milliseconds that an invite is remembered after its end. */
export const INVITE_KEPT_MS = 604_800_000
/** Connections of strangers while an invite is open; above it the oldest one goes. */
export const GUESTS_MAX = 4
/** Milliseconds that such a stranger may stay: it is there to show its invite. */
export const GUEST_MS_MAX = 10_000
/** Characters of a join string: eight addresses of the longest kind, and room. */
export const JOIN_STRING_CHARACTERS_MAX = 8_192
/** Bytes of a request to join: eight addresses of the longest kind, and room. */
export const JOIN_BYTES_MAX = 8_192
/** Requests to join that wait for their turn: each one signs a roster. */
export const JOINS_PENDING_MAX = 16
/** Requests to join of one peer at once; then one a second: more is no joiner that tries again. */
export const JOIN_ASKS_BURST = 16
/** Milliseconds of one request to join: it ends on the inviter's disk, twice. */
export const JOIN_REQUEST_MS_MAX = 10_000
/** Milliseconds after which a `join` does not try again: the inviter may be just restarting. */
export const JOIN_MS_MAX = 15_000
/** Tries of one `join`: a place among the strangers may be taken, an answer may be lost. */
export const JOIN_TRIES_MAX = 6
