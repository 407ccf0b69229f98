/*
 * What a job may ask for of a host's GPUs, and how small a share of one can be.
 */

/** GPUs of one job: a host of sixteen is the largest that is sold. */
export const GPUS_PER_JOB_MAX = 16
/** Characters of a pattern for a GPU's model: each is tried on 64 models of each agent. */
export const GPU_MODEL_PATTERN_CHARACTERS_MAX = 64
/** Stars of such a pattern: each may lead to every place of a name. */
export const GPU_MODEL_STARS_MAX = 8
/** Bytes of one GPU's memory that may be asked for, 16 TiB: beyond what is built for years. */
export const GPU_MEMORY_BYTES_MAX = 17_592_186_044_416
/** Bytes of one GPU's memory that are worth asking for: 1 MiB. */
export const GPU_MEMORY_BYTES_MIN = 1_048_576
/** Ten times a compute capability, 99.9: 12.0 is the newest that is sold. */
export const GPU_COMPUTE_TENTHS_MAX = 999
/** Ten times a compute capability, 1.0: the first one that was. */
export const GPU_COMPUTE_TENTHS_MIN = 10
/** Characters of a MIG profile, `1c.3g.71gb+me.all`. */
export const GPU_MIG_CHARACTERS_MAX = 32
/** Jobs that may share one GPU: more would have less than most programs begin with. */
export const GPU_SHARES_MAX = 16
/**
 * Parts that a whole GPU is counted in: every number up to GPU_SHARES_MAX divides it, so that
 * shares of different sizes add up to exactly one.
 */
export const GPU_WHOLE = 720_720
/** Ids of GPUs that an owner keeps from jobs, or lets them share. */
export const GPU_SETTINGS_MAX = 64
