/*
 * Limits of a forge's own runners as payload; docs/limits.md lists them with those of limits.ts.
 */

/** Label sets of one repository: each is an image of its own. */
export const PROVISION_RUNNERS_MAX = 32
/** Labels of one set: what GitHub takes for one runner. */
export const PROVISION_LABELS_MAX = 100
/** Characters of one of them. */
export const PROVISION_LABEL_CHARACTERS_MAX = 64
/** Slots of one label set at one time, whatever gateway.yaml says. */
export const PROVISION_SLOTS_MAX = 256
/** Slots of a label set where gateway.yaml says nothing. */
export const PROVISION_SLOTS_DEFAULT = 4
/** Jobs of one repository that are remembered as waiting; the rest is found as these go. */
export const PROVISION_JOBS_MAX = 1_000
/** Milliseconds between two looks at the jobs that wait: what no hook has told of is found so. */
export const PROVISION_LOOK_MS = 60_000
/** The same on a forge that has no hook for it. */
export const PROVISION_LOOK_UNTOLD_MS = 15_000
/** Milliseconds of one look, and of one registration with what it has to clear away before. */
export const PROVISION_LOOK_MS_MAX = 60_000
/** Repositories that are looked at side by side. */
export const PROVISION_PARALLEL_MAX = 4
/** Workflow runs whose jobs one look lists, the oldest: GitHub has no list of jobs. */
export const PROVISION_RUNS_MAX = 100
/** Pages of such runs: GitHub shows the newest 1 000 of one state, and none behind them. */
export const PROVISION_RUN_PAGES_MAX = 10
/** Pages of the jobs of one such run, of 100 each: a matrix has 256 at most. */
export const PROVISION_JOB_PAGES_MAX = 5
/** Milliseconds for which a slot too many is left: its forge may be about to say it is busy. */
export const PROVISION_SURPLUS_MS = 15_000
/** Slots in a row that came to nothing, after which nothing more is started for a job. */
export const PROVISION_TRIES_MAX = 5
/** Milliseconds before the first of these is tried again; it doubles. */
export const PROVISION_RETRY_MS_MIN = 15_000
/** Milliseconds of the longest such wait. */
export const PROVISION_RETRY_MS_MAX = 600_000
/** Milliseconds that a runner may wait for a job where gateway.yaml says nothing. */
export const PROVISION_IDLE_MS_DEFAULT = 600_000
/** Milliseconds that a slot may take in all where gateway.yaml says nothing: GitHub's own limit. */
export const PROVISION_TIMEOUT_MS_DEFAULT = 21_600_000
/** Milliseconds for which a registration of a slot that no board knows is left alone. */
export const PROVISION_STRANGE_MS = 600_000
/** Jobs that a forge is asked about one by one: for more, all that waits is one question. */
export const PROVISION_ASKED_MAX = 20
/** Slots that are remembered as ended before they had a runner: those of 40 label sets. */
export const PROVISION_ENDING_MAX = 10_000
/** Milliseconds for which a slot may be recorded without being on this gateway's board. */
export const PROVISION_UNSEEN_MS = 600_000
/** Milliseconds after its end for which a slot's configuration is kept to mask its last lines. */
export const PROVISION_MASKED_MS = 600_000
/**
 * Slots whose configuration a gateway keeps, sealed: 16 label sets at their most. Some 30 MB, of
 * configurations as forges make them; 180 MB of the largest.
 */
export const PROVISION_GIVEN_MAX = 4_096
/** Bytes of one slot's configuration, as JSON: what one job may be given, and 44 KB sealed. */
export const PROVISION_GIVEN_BYTES_MAX = 32_768
