/*
 * What a job's network may be, and how long what holds it may take.
 */

/** Entries of one job's `network.allow`: each is an element of a kernel set, and a line to read. */
export const NETWORK_ALLOW_MAX = 64
/** Characters of one such entry; the longest, an address range with ports and protocol, has 33. */
export const NETWORK_ENTRY_CHARACTERS_MAX = 40
