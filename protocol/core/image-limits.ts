/** Images that an agent remembers to have pulled: a year of new ones every day for ten jobs. */
export const PULLED_IMAGES_MAX = 4_096
/**
 * Times that a pull by digest is tried: the engine may have that of an index for another platform,
 * as long as whoever pulls that one has not given it a name of its own.
 */
export const IMAGE_PULL_TRIES_MAX = 3
/** Milliseconds between two such tries. */
export const IMAGE_PULL_PAUSE_MS = 1_000
/** Milliseconds within which a second use of an image is not written down. */
export const IMAGE_USE_GRAIN_MS = 3_600_000
/** Milliseconds for asking a registry, through the engine, what a tag stands for. */
export const IMAGE_RESOLVE_MS_MAX = 60_000
/** Per cent of the engine's disk in use above which images that were pulled are removed again. */
export const IMAGES_CLEAN_ABOVE_PERCENT = 80
/** Per cent down to which they are removed, so that not every job takes one away. */
export const IMAGES_CLEAN_TO_PERCENT = 70
/**
 * Milliseconds between two looks at the engine's disk: below its mark a pull has minutes of room.
 */
export const IMAGE_SWEEP_EVERY_MS = 60_000
/** Images that one look may fail to remove: an engine that takes none away is asked again later. */
export const IMAGE_DROP_FAILURES_MAX = 8
/** Bytes of all names of an image's labels: the engine says them with each thing that happens. */
export const IMAGE_LABEL_BYTES_MAX = 65_536
/**
 * Milliseconds for asking a registry, before a claim, what an image is there for: whoever is asked
 * for longer counts as one that does not say, and the claim goes on.
 */
export const IMAGE_LOOK_MS_MAX = 5_000
/** Milliseconds for which its answer counts: what is pushed meanwhile is seen after that. */
export const IMAGE_LOOK_AGE_MS_MAX = 600_000
/** Milliseconds for which a registry that has not said is left alone: each claim would wait. */
export const IMAGE_LOOK_AGAIN_MS = 60_000
/** Images whose platforms an agent remembers: those of a busy day. */
export const IMAGE_LOOKS_MAX = 256
/** Registries that one agent asks at one time before claims. */
export const IMAGE_LOOKS_AT_ONCE_MAX = 4
/** Images that one agent says it lacks for a platform: an advertisement stays in one packet. */
export const IMAGES_LACKING_MAX = 8
/** Platforms of one image that are told: the images with most are there for about ten. */
export const IMAGE_PLATFORMS_MAX = 16
