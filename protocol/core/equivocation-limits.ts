/*
 * What is kept of members that signed two different things where the protocol allows one.
 */

/**
 * Proofs of equivocation that one member keeps: one of each kind and member, so that nobody fills
 * the disk with its own. Once full, the ones that came first stay, or a liar would push out
 * what was found of others.
 */
export const EQUIVOCATIONS_MAX = 64
/** Bytes of one proof: two announcements of MANIFEST_BYTES_MAX in base64, and room. */
export const EQUIVOCATION_BYTES_MAX = 3_145_728
/** Bytes of all proofs of one member: most are of proposals, which take a few KiB. */
export const EQUIVOCATIONS_BYTES_MAX = 33_554_432
/**
 * Pairs of one kind and member that are tried as a proof in EQUIVOCATION_TRY_MS: with one alone, a
 * pair that proves nothing would hide the next one, which does.
 */
export const EQUIVOCATION_TRIES_MAX = 8
/**
 * Milliseconds over which tries to prove something of one member are counted: each costs two
 * signatures, of announcements also a read of the disk, and who signs wrongly on purpose could ask
 * for many.
 */
export const EQUIVOCATION_TRY_MS = 10_000
/** Numbers of gateways' announcements that are remembered, to see whether one was used twice. */
export const ANNOUNCED_NUMBERS_MAX = 10_000
