/*
 * Limits of following logs and of orders; docs/limits.md lists them with those of limits.ts.
 */

/** Logs followed at one time from one process: each holds a page of lines and asks for more. */
export const LOG_STREAMS_MAX = 100
/** Milliseconds without a line after which a followed log shows that it is still there. */
export const LOG_BEAT_MS = 15_000
/** Milliseconds between two looks at a log that another member keeps, while lines come. */
export const LOG_LOOK_MS_MIN = 60
/** Milliseconds between two looks at a log that is quiet, or whose news come by themselves. */
export const LOG_LOOK_MS_MAX = 1_200
/** Milliseconds after its last line for which a log counts as one to which lines come. */
export const LOG_LIVELY_MS = 3_000
/** Milliseconds that the last lines of an ended job are waited for; its holder may be gone. */
export const LOG_TAIL_MS_MAX = 10_000
/** Milliseconds that a member has to answer such a look; then the next one is asked. */
export const LOG_LOOK_ANSWER_MS_MAX = 2_000
/** Milliseconds for which a holder that did not give its log is not asked for it again. */
export const LOG_HOLDER_REST_MS = 5_000
/** Characters of one event of a followed log: a line of control characters, six for each, fits. */
export const LOG_EVENT_CHARACTERS_MAX = 1_048_576
/** Milliseconds that a command tries to go on with a followed log that broke off. */
export const LOG_RESUME_MS_MAX = 30_000
/** Lines of a job's log on its page: some screens; above them the whole log is one link away. */
export const PAGE_LOG_LINES_MAX = 200
/** Hosts on the page of a job that waits, those first that come closest. */
export const PAGE_HOSTS_MAX = 50
/** Milliseconds that an order to cancel tries to reach a quorum. */
export const CANCEL_MS_MAX = 10_000
/**
 * Milliseconds that an order to cancel may give the steps between SIGTERM and SIGKILL: time to undo
 * a deployment. Longer, and a job that ignores the order keeps the room that it was to free.
 */
export const CANCEL_GRACE_MS_MAX = 600_000
/** Milliseconds that a command waits for a cancelled job to end: a lease and its clean-up. */
export const CANCEL_WAIT_MS_MAX = 180_000
