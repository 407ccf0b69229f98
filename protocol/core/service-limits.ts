/*
 * Limits of what runs beside a job; docs/limits.md lists them with those of limits.ts.
 */

/** Services of one job: each is a container with a lifeline, and the first step waits for all. */
export const SERVICES_PER_JOB_MAX = 8
/** Characters of a service's name: it is a label of a host name. */
export const SERVICE_NAME_CHARACTERS_MAX = 63
/** Words of the command of a service, or of the one that says whether it is ready. */
export const SERVICE_COMMAND_WORDS_MAX = 64
/** Bytes of all words of one such command: with the variables it is one argument list of Linux. */
export const SERVICE_COMMAND_BYTES_MAX = 16_384
/** Milliseconds for which a service that says nothing else is waited for. */
export const SERVICE_READY_MS_DEFAULT = 60_000
/** Milliseconds for which any service is waited for: the lease of an idle host costs others. */
export const SERVICE_READY_MS_MAX = 600_000
/** Milliseconds between two questions whether a service is ready. */
export const SERVICE_ASK_EVERY_MS = 300
/** Milliseconds that one such question may take. */
export const SERVICE_ASK_MS_MAX = 5_000
/** Bytes that one service may write into its job's log: the log is for the steps. */
export const SERVICE_LOG_BYTES_MAX = 1_048_576
/** Lines of a service that come once more at the end of a job for whose sake it was not ready. */
export const SERVICE_LAST_LINES = 10
