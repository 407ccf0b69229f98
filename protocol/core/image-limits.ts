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
