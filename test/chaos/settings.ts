/*
 * How long and how random: MESH_CHAOS_ROUNDS (3) and MESH_CHAOS_SEED (1). A failure names its seed
 * and round; the same seed kills at the same points again.
 */

/** What CI has time for; 20 are for a release. */
const ROUNDS = 3

export const CHAOS_ROUNDS = Number(process.env['MESH_CHAOS_ROUNDS'] ?? ROUNDS)
export const CHAOS_SEED = Number(process.env['MESH_CHAOS_SEED'] ?? 1)
export const CHAOS_LEASE = leaseOf(process.env['MESH_CHAOS_LEASE'] ?? 'short')

/** Milliseconds from the loss of a holder to the start of the next container, at most. */
export const TAKE_OVER_MS_MAX = CHAOS_LEASE === 'default' ? 33_000 : 4_500

/**
 * Lines of the job, one each half a second: it lives longer than a take-over takes, so that who
 * watches its lease has looked, found it renewed and looked again. MESH_CHAOS_LINES makes it
 * another: many rounds with the default profile take an hour.
 */
export const JOB_LINES = Number(
  process.env['MESH_CHAOS_LINES'] ?? (CHAOS_LEASE === 'default' ? 80 : 14)
)

/** One round: a job, its loss, the take-over, the job once more, and a loaded machine. */
export const ROUND_MS_MAX = TAKE_OVER_MS_MAX + JOB_LINES * 1_000 + 60_000

function leaseOf(name: string): 'default' | 'short' {
  if (name === 'default' || name === 'short') return name
  throw new Error(`MESH_CHAOS_LEASE is default or short, not ${name}`)
}
