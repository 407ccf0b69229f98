/*
 * What is said of a host's GPUs, and how long asking for them may take.
 */

/** GPUs of one agent, partitions counted: eight of them cut into eight. */
export const GPUS_MAX = 64
/**
 * Bytes of all texts of an agent's GPUs: each advertisement carries them, and of 1 000 agents every
 * member hears 33 a second. 64 partitions with what is wrong with each fit.
 */
export const GPUS_BYTES_MAX = 32_768
/** Characters of a GPU's driver version, kernel releases included. */
export const GPU_DRIVER_CHARACTERS_MAX = 64
/** Reasons why one GPU takes no job: whoever reads them mends the first one first. */
export const GPU_REASONS_MAX = 4
/** Characters of one such reason: a line of a terminal and a half. */
export const GPU_REASON_CHARACTERS_MAX = 160
/** NUMA node of a GPU: the kernel is built for no more than 1 024 of them. */
export const GPU_NUMA_NODE_MAX = 1_023
/** Milliseconds between two looks whether a GPU came, went, or was reported by the kernel. */
export const GPU_LOOK_EVERY_MS = 5_000
/** Milliseconds between two readings of all of them, tools included, where nothing changes. */
export const GPU_SCAN_EVERY_MS = 60_000
/**
 * Milliseconds that one reading may take: each tool gets GPU_TOOL_MS_MAX and a few are asked. After
 * that a driver hangs, and its GPUs take no job until the reading ends.
 */
export const GPU_SCAN_MS_MAX = 120_000
/** Clean readings in a row after which a GPU that was ill takes jobs again. */
export const GPU_CLEAN_SCANS = 2
/** Milliseconds that a vendor's tool may take: one that hangs does so because its GPU does. */
export const GPU_TOOL_MS_MAX = 10_000
/** Milliseconds that the output of a tool that has ended is waited for, if others have it open. */
export const GPU_TOOL_DRAIN_MS = 1_000
/** Bytes that a tool may print: `nvidia-smi -q -x` has some 40 KB a GPU. */
export const GPU_TOOL_BYTES_MAX = 4_194_304
/** GPUs that are asked for one by one where asking for all of them fails. */
export const GPU_SINGLE_QUERIES_MAX = 16
/** Bytes of one file of /sys or /proc: the kernel gives a page of most. */
export const GPU_FILE_BYTES_MAX = 65_536
/** Entries of one folder of /sys or /proc that are looked at. */
export const GPU_ENTRIES_MAX = 1_024
/** Records of the kernel's log in one look: a full buffer of it has about as many. */
export const GPU_LOG_RECORDS_MAX = 16_384
/** Warnings of one reading that are shown. */
export const GPU_WARNINGS_MAX = 16
