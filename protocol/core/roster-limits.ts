/*
 * What a change of the roster may cost, and how long the epochs before it count.
 */

/**
 * Milliseconds longer that an ended epoch is sealed: the authority's clock says when it ended, and
 * a gateway's own how long ago that was.
 */
export const REDELIVERY_MARGIN_MS = 3_600_000
/** Witness epochs that one roster may give up: each is a mesh that lost its majority. */
export const LOST_EPOCHS_MAX = 256
/**
 * Milliseconds that a witness is away before its jobs move off it: a restart of its host takes
 * less.
 */
export const MOVE_AFTER_MS = 600_000
/** Jobs that one member moves at a time: each is three rounds at two sets of witnesses. */
export const MOVES_PARALLEL_MAX = 16
/**
 * Stop-signs that are followed one after another: one a change of the roster, while the job is
 * open.
 */
export const MOVE_HOPS_MAX = 16
/** Moves of jobs into a witness's registers that it remembers as proven: each costs two reads. */
export const PROVEN_MOVES_MAX = 20_000
/**
 * Proofs a minute that one member may make a witness seek: each is up to 32 reads, which the other
 * witnesses charge to the one that asks them (3 % of WITNESS_WORK_PER_S_MAX).
 */
export const MOVE_PROOFS_PER_MIN_MAX = 1_200
/** Proofs that one member may ask for at once: a mover begins MOVES_PARALLEL_MAX jobs at a time. */
export const MOVE_PROOFS_BURST = 256
/**
 * Milliseconds that witnesses refuse an announcement before its delivery is errored: the roster
 * that admits its gateway may be on its way to them.
 */
export const ANNOUNCEMENT_REFUSED_MS_MAX = 600_000
/** Earlier witness epochs whose witnesses anti-entropy still visits, one store a period. */
export const FORMER_EPOCHS_MAX = 8
