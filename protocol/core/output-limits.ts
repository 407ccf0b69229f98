/*
 * How fast the steps of one attempt may write: what they write costs the agent, and with it every
 * other job of its host.
 */

/** Bytes a second that are read of what the steps of one attempt write; with more they wait. */
export const OUTPUT_BYTES_PER_S = 4_194_304
/** Lines a second, likewise: a line costs the same however short it is. */
export const OUTPUT_LINES_PER_S = 20_000
/** Bytes that are read at once of steps that were quiet: the log of a long test run, say. */
export const OUTPUT_BURST_BYTES = 16_777_216
/** Lines, likewise. */
export const OUTPUT_BURST_LINES = 100_000
