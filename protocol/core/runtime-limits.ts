/* The numbers of the trial of an engine's runtimes (gVisor, Kata, sysbox). */

/** Milliseconds between two looks whether the engine still has what its runtimes have shown. */
export const ENGINE_LOOK_EVERY_MS = 20_000

/** Runtimes of an engine that are tried at a start: each costs two containers. */
export const RUNTIMES_TRIED_MAX = 6
/**
 * Milliseconds of one engine call of such a trial: a runtime that hangs holds its call for ever.
 */
export const RUNTIME_CALL_MS_MAX = 15_000
/** Milliseconds that the deadline of a trial lies ahead until its runtime has shown what it is. */
export const RUNTIME_LEASE_MS = 28_000
/** Milliseconds ahead to which it is then set: its guard and its guardian must see that. */
export const RUNTIME_END_MS = 1_000
/** Milliseconds that processes of a removed container may live on before they count as left. */
export const RUNTIME_LINGER_MS_MAX = 3_000
