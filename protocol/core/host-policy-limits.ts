/** Patterns of one list of a host's policy. */
export const HOST_POLICY_PATTERNS_MAX = 32
/**
 * Bytes of all patterns of a host's policy: each advertisement carries them, and of 1 000 agents
 * every member hears 33 a second.
 */
export const HOST_POLICY_BYTES_MAX = 2_048
/**
 * Stars in all patterns of a host's policy. What a pattern costs grows with its stars times the
 * length of the name, a ref of 2 048 characters say, and every member asks it for every job: 2 048
 * bytes of stars held up whoever placed a run of 64 jobs for twenty seconds.
 */
export const HOST_POLICY_STARS_MAX = 128
/** Hours in which a host takes jobs, `Mon-Fri 20:00-06:00` being one of them. */
export const HOST_HOURS_MAX = 16
/** Milliseconds between two looks at the hours and the load of a host. */
export const HOST_LOOK_EVERY_MS = 10_000
/** Milliseconds for which a look holds: claims of a burst need not each read the load. */
export const HOST_LOOK_MS_MIN = 1_000
/** Share of its limit below which a load opens the host again: else it would open and close. */
export const HOST_LOAD_OPENS_BELOW = 0.8
/** Share of its limit, or of what there is above it, that must be free besides to open again. */
export const HOST_MEMORY_OPENS_ABOVE = 0.25
/** Load of a core that an owner may name as the limit; above, it limits nothing. */
export const HOST_LOAD_PER_CORE_MAX = 64
/**
 * Processes and threads of the kernel's limit that are free before a job may begin: what the
 * largest job may have, and a quarter of that for the host, without which nobody can log in.
 */
export const HOST_PIDS_SPARE = 5_120
/** Share of that limit that is enough where it is a low one. */
export const HOST_PIDS_SPARE_SHARE = 0.25
