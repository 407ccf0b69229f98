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
/**
 * Milliseconds for which a queued job keeps later ones of a group waiting in which none runs: one
 * that nobody can run would else do so for ever.
 */
export const GROUP_HOLD_MS_MAX = 3_600_000
/** Groups of which a member remembers when one of them ran last: some megabytes at most. */
export const GROUPS_REMEMBERED_MAX = 10_000
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
/** Milliseconds of age that a point of priority is worth: the whole range is 20 minutes. */
export const PRIORITY_AGE_MS = 60_000
/** Milliseconds for which what a repository had of the mesh counts against it. */
export const FAIR_WINDOW_MS = 600_000
/** Ended leases that a member remembers for that: 16 a second for the whole window. */
export const FAIR_LEASES_MAX = 10_000
/** Jobs that one member skips or cancels at a time for the sake of others. */
export const CONSEQUENCES_PARALLEL_MAX = 16
/** Milliseconds between two looks at what follows from what has changed: a burst is one look. */
export const CONSEQUENCES_EVERY_MS = 200
/** Bytes of the file that a job writes its outputs to: with the ends of values of several lines. */
export const OUTPUTS_FILE_BYTES_MAX = 16_384
/** Bytes of all variables that a job gets of those it needs: a kernel starts nothing with 2 MiB. */
export const NEEDS_BYTES_MAX = 262_144
