/*
 * How long and how random: MESH_CHAOS_ROUNDS (3) and MESH_CHAOS_SEED (1). A failure names its seed
 * and round; the same seed kills at the same points again.
 */

/** What CI has time for; 20 are for a release. */
const ROUNDS = 3

export const CHAOS_ROUNDS = Number(process.env['MESH_CHAOS_ROUNDS'] ?? ROUNDS)
export const CHAOS_SEED = Number(process.env['MESH_CHAOS_SEED'] ?? 1)
export const CHAOS_LEASE = process.env['MESH_CHAOS_LEASE'] === 'default' ? 'default' : 'short'

/** Milliseconds from the loss of a holder to the start of the next container, at most. */
export const TAKE_OVER_MS_MAX = CHAOS_LEASE === 'default' ? 33_000 : 4_500

/** One round: a job, its loss, the take-over, the job once more, and a loaded machine. */
export const ROUND_MS_MAX = TAKE_OVER_MS_MAX + 60_000
