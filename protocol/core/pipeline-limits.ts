/*
 * Limits of what one pipeline file may say; docs/limits.md lists them with those of limits.ts.
 */

/**
 * Keys, items and texts of one file, those that aliases stand for counted each time: each is looked
 * at several times, and fifty aliases can make millions of a small file.
 */
export const PIPELINE_VALUES_MAX = 65_536
/** Axes of one matrix. */
export const MATRIX_AXES_MAX = 8
/** Values of one axis: one job each, so never more than a run may have. */
export const MATRIX_VALUES_MAX = 256
/**
 * Combinations of one matrix, those that `exclude` takes away among them: they are all looked at,
 * and eight axes of 256 values would be more than there is memory for.
 */
export const MATRIX_COMBINATIONS_MAX = 1_024
/** Entries of one `exclude`. */
export const MATRIX_EXCLUDES_MAX = 64
/** Stars in one list of patterns: what a pattern costs grows with them times a name's length. */
export const PIPELINE_STARS_MAX = 128
/**
 * Stars of a filter of paths times characters of all changed paths: beyond it the filter selects
 * without a look, as it does where the paths are not known. That many cost some tenths of a second.
 */
export const PATH_FILTER_STEPS_MAX = 10_000_000
/** Labels that `on.pull_request.labels` names. */
export const EVENT_LABELS_MAX = 32
/** Entries of `on.schedule`. */
export const SCHEDULES_MAX = 16
/** Characters of one cron expression: sixty minutes written out have 170. */
export const CRON_CHARACTERS_MAX = 256
/** Values that one input of `on.manual` may choose from. */
export const INPUT_VALUES_MAX = 64
/** Processes that a job must be allowed at least: a shell, what it starts, and the job's guard. */
export const JOB_PIDS_MIN = 16
