/**
 * Operations, proposals and announcements that one signature may cover: each doubling costs every
 * one of them 32 bytes more, in its register for good.
 */
export const SIGNED_TOGETHER_MAX = 64
