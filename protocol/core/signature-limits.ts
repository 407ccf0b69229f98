/**
 * Operations, proposals and announcements that one signature may cover: each doubling costs every
 * one of them 32 bytes more, in its register for good.
 */
export const SIGNED_TOGETHER_MAX = 64
/** Trees of signed statements of which a member remembers what is proven: 4 KiB each at most. */
export const SIGNED_TREES_KEPT_MAX = 512
