/*
 * How much a program says of itself to whoever collects its metrics.
 */

/** Bytes of one scrape: a full host with 64 GPUs has some 100 KB. */
export const METRICS_BYTES_MAX = 1_048_576
/** Sets of labels of one metric; what comes above it is left out, or counted as `other`. */
export const METRICS_SERIES_MAX = 256
/** Jobs whose use of GPUs is shown, one series a GPU: each job is a series of its own. */
export const METRICS_JOBS_MAX = 64
/** Connections to the port for metrics: a scraper has one. */
export const METRICS_CONNECTIONS_MAX = 8
/** Milliseconds within which a request for metrics must have come whole, and of its answer. */
export const METRICS_REQUEST_MS_MAX = 10_000
