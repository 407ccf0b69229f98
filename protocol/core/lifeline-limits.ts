/* The numbers of the lifeline, exported by limits.ts with all the others. */

/** Milliseconds that a guard's deadline may lie ahead: no lease is longer (lease-protocol 4.11). */
export const GUARD_AHEAD_MS_MAX = 30_000
/** Milliseconds that the guardian leaves to the guard, which is nearer (lease-protocol 4.7). */
export const GUARDIAN_AFTER_MS = 300
/** Milliseconds between two looks of the guardian while it waits for something to be gone. */
export const GUARDIAN_TICK_MS = 100
/** Milliseconds between two looks otherwise; it looks at each deadline besides. */
export const GUARDIAN_TICK_IDLE_MS = 500
/** Milliseconds that a guardian waits for its agent to say what to guard, before it ends. */
export const GUARDIAN_CHARGE_MS_MAX = 30_000
/** Milliseconds that a container may have no readable deadline: its folder is made before it. */
export const GUARDIAN_GRACE_MS = 500
/** Milliseconds between two lists of containers while a lease is over. */
export const GUARDIAN_LIST_DUE_MS = 250
/** Milliseconds between two lists of containers while there is a lease or a container. */
export const GUARDIAN_LIST_MS = 1_000
/** Milliseconds between two lists of containers while there is neither. */
export const GUARDIAN_LIST_IDLE_MS = 5_000
/** Milliseconds of one engine call of the guardian: a lost answer must not cost the next try. */
export const GUARDIAN_CALL_MS_MAX = 5_000
/** Milliseconds that the engine has for a kill before process 1 is killed by its pid. */
export const GUARDIAN_KILL_MS = 150
/** Tries of one removal before the next list must show that the container is still there. */
export const GUARDIAN_TRIES_MAX = 6
/** Milliseconds of the longest pause between two tries to list or remove. */
export const GUARDIAN_RETRY_MS_MAX = 2_000
/** Milliseconds between two signs of life of the guardian. */
export const GUARDIAN_BEAT_MS = 500
/** Milliseconds without a sign of life after which a guardian counts as absent. */
export const GUARDIAN_SILENT_MS_MAX = 3_000
/** Milliseconds of silence after which the agent ends its guardian and starts another one. */
export const GUARDIAN_HUNG_MS_MAX = 10_000
/** Milliseconds since its last good look at the engine after which a guardian counts as absent. */
export const GUARDIAN_BLIND_MS_MAX = 15_000
/** Milliseconds that a guardian may take from its start to its first sign of life. */
export const GUARDIAN_START_MS_MAX = 20_000
/** Milliseconds of the longest pause before another guardian is started. */
export const GUARDIAN_RESTART_MS_MAX = 30_000
/** Bytes of the guardian's log above which the next guardian starts a new one. */
export const GUARDIAN_LOG_BYTES_MAX = 1_048_576
/** Connections to one guardian: its agent, and those who ask who it is. */
export const GUARDIAN_CONNECTIONS_MAX = 16
