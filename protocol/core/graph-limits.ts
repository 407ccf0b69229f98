/*
 * Limits of how the jobs of a run depend on one another and on others; docs/limits.md lists them
 * with those of limits.ts.
 */

/** Attempts that a job may have besides, when its own commands fail. */
export const RETRIES_MAX = 5
/** How far above or below others the priority of a job may be. */
export const PRIORITY_MAX = 10
/** Characters of the name of a group: it often holds a branch, whose name Git stops at 255. */
export const GROUP_CHARACTERS_MAX = 255
/** Milliseconds for which a job waits for the hosts that it prefers when it says no time. */
export const FALLBACK_MS_DEFAULT = 300_000
/** Milliseconds for which it may wait for them: as long as it is valid. */
export const FALLBACK_MS_MAX = 86_400_000
/** Characters of one value of a matrix: the longest is an image's name. */
export const MATRIX_VALUE_CHARACTERS_MAX = 255
/** Inputs of one run that was started by hand. */
export const INPUTS_MAX = 32
/** Bytes of one input's value. */
export const INPUT_BYTES_MAX = 1_024
/** Values that one job may hand on. */
export const OUTPUTS_MAX = 32
/** Bytes of all their names and values together: a register has them twice. */
export const OUTPUTS_BYTES_MAX = 4_096
/** Processes that a job may ask for: each is memory of the host's kernel, whatever it does. */
export const JOB_PIDS_MAX = 4_096
