/*
 * How jobs find their hosts; docs/limits.md lists these with those of limits.ts.
 */

/**
 * Agents that claim in one step of the claim delay, behind CLAIM_RANK_MAX: a mesh of a thousand
 * must not try all at once what its best eight have not taken.
 */
export const CLAIM_RANKS_PER_STEP = 8
/** Times by which an agent is preferred that has run a job of the same image: it has no pull. */
export const WARM_IMAGE_WEIGHT = 4
/** Times by which one is preferred that has run a job of the same repository lately. */
export const WARM_REPOSITORY_WEIGHT = 2
/** Images and repositories that one agent says it has had lately, eight bytes each. */
export const WARM_KEYS_MAX = 32
/** Hexadecimal digits of one of them: enough that two hardly ever meet, which costs an order. */
export const WARM_KEY_DIGITS = 16
/** Per cent of a plain host's cost that the cheapest one may say it has. */
export const HOST_COST_PERCENT_MIN = 10
/** Per cent of a plain host's cost that the dearest one may say it has. */
export const HOST_COST_PERCENT_MAX = 1_000
/**
 * Milliseconds since its announcement after which room is kept for a job that no host has room for:
 * below that what runs ends by itself, and room that is kept is room that nobody uses.
 */
export const ROOM_KEPT_AFTER_MS = 120_000
/** Jobs that room is kept for at one time in the whole mesh, the oldest ones. */
export const ROOM_KEPT_JOBS_MAX = 8
/** Of the oldest jobs that wait, those that are looked at for it. */
export const ROOM_KEPT_LOOKS_MAX = 64
/** Hosts that keep room for one job: the first that has it takes the job, and both are free. */
export const ROOM_KEEPERS = 2
/** One host in so many keeps room at one time, and one of a smaller mesh. */
export const ROOM_KEEPERS_ONE_IN = 4
/** Milliseconds after which an agent that keeps room looks whether it still must. */
export const ROOM_KEPT_LOOK_MS = 5_000
/** Bytes of GPU memory that count as wanted where a job asks for none: what any GPU has. */
export const GPU_MEMORY_LEAST = 4_294_967_296
/** Steps of waste, two for each doubling of a GPU's memory, behind which more changes nothing. */
export const GPU_WASTE_MAX = 15
/** Times that an owner may give away what a host has: above that nobody gets what it asks for. */
export const OVERCOMMIT_MAX = 8
/**
 * Jobs that one host may have at a time: what witnesses keep for its renewals is enough for these.
 */
export const HOST_JOBS_MAX = 1_024
/** Per cent of ten seconds in which some process may have waited for memory, at most. */
export const MEMORY_PRESSURE_PERCENT_MAX = 100
