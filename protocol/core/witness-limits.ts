/*
 * What one member may ask of a witness.
 */

/** Work units a second that one peer may ask of a witness; a unit is about 25 us of its CPU. */
export const WITNESS_WORK_PER_S_MAX = 20_000
/** Work units that one peer may ask at once after a pause. */
export const WITNESS_WORK_BURST = 20_000
/**
 * Work units a second that pay for one peer's renewals where all else has emptied its purse:
 * HOST_JOBS_MAX short leases, each in a message of its own, take 2 560.
 */
export const WITNESS_RENEWAL_WORK_PER_S = 3_000
/** Work units of renewals that are paid so at once: twice a renewal of each of these. */
export const WITNESS_RENEWAL_WORK_BURST = 3_000
/**
 * Work units a second of one gateway's announcements, some 10 MB, that a witness fetches at nobody's
 * expense: a good member only relays them. Above that whoever does owes for it.
 */
export const WITNESS_RELAY_WORK_PER_S = 5_000
/** Work units of such that it fetches at once: some 20 of the largest. */
export const WITNESS_RELAY_WORK_BURST = 10_000
/**
 * Bytes of one message to a witness, or of what it fetches for one, that make a work unit more. To
 * open an announcement of 0.96 MB takes 5 to 7 ms of CPU; to take it off its stream and to write it
 * down counts as much once more.
 */
export const WITNESS_BYTES_PER_UNIT = 2_048
/** Bytes of a message that its kind's units pay for: those of a usual cycle are all smaller. */
export const WITNESS_BYTES_FREE = 4_096
