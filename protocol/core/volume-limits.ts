/*
 * How much of its host's disk one job may fill, and how that is watched where nothing stops it.
 */

/** Bytes of disk that a job may ask for: more than any host has. */
export const JOB_DISK_BYTES_MAX = 17_592_186_044_416
/** Bytes of disk that a job asks for at least: a file system of its own takes some itself. */
export const JOB_DISK_BYTES_MIN = 67_108_864
/**
 * Bytes that a file counts at least, as a block of its own would: one without any takes an inode,
 * of which a file system has only so many.
 */
export const DISK_FILE_BYTES_MIN = 4_096
/** Bytes of disk that a job gets when nothing else is said, or its share of less. */
export const JOB_DISK_BYTES_DEFAULT = 10_737_418_240
/** Per cent of the engine's free disk that jobs may have when the owner says nothing. */
export const JOB_DISK_PERCENT = 80
/** Milliseconds between two looks at how much of the engine's disk is free: one cheap call. */
export const DISK_LOOK_EVERY_MS = 2_000
/** Milliseconds between two counts of what each job has written: the engine walks its files. */
export const DISK_COUNT_EVERY_MS = 15_000
/** Milliseconds for what one job has written: whoever takes longer counts as the largest. */
export const DISK_COUNT_MS_MAX = 10_000
/** Bytes by which the free disk shrinks until it is counted at once. */
export const DISK_COUNT_BYTES = 268_435_456
/** Bytes of the engine's disk that stay free: below, the job that has written most is ended. */
export const DISK_FLOOR_BYTES = 1_073_741_824
/** The floor is at most one part in so many of its disk. */
export const DISK_FLOOR_PARTS_MIN = 32
/** Milliseconds that one program which makes or removes a volume may take. */
export const VOLUME_CALL_MS_MAX = 30_000
/** Bytes that a volume has left at most when it counts as full: one block, and what is less. */
export const VOLUME_FULL_BYTES = 65_536
