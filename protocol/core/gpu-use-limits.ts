/*
 * How often it is looked how much GPUs are used, and for how long one is waited for.
 */

/** Milliseconds between two looks while a job has a GPU. */
export const GPU_USE_EVERY_MS = 5_000
/** Milliseconds between two looks at GPUs that no job has: a look may wake one that sleeps. */
export const GPU_USE_IDLE_EVERY_MS = 60_000
/** Processes of one container that are looked at: as many as a job may have. */
export const GPU_PIDS_MAX = 4_096
/** Processes of a host that are looked at: one with two processors and jobs on it has thousands. */
export const GPU_HOST_PROCESSES_MAX = 65_536
/** Open files of GPUs in one look: of each process of a host some hold a few. */
export const GPU_CLIENTS_MAX = 4_096
/** Milliseconds after a job's end for its GPUs to be free of it: drivers clear memory first. */
export const GPU_REST_MS_MAX = 15_000
/** Milliseconds between two looks at that. */
export const GPU_REST_LOOK_EVERY_MS = 500
/** Bytes that a GPU may have in use above what it had before: drivers keep some for themselves. */
export const GPU_REST_BYTES_MAX = 268_435_456
