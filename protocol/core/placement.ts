import type { Advertisement } from './advertisement.ts'
import type { BoardJob } from './board-job.ts'
import { fitScoreOf } from './fit-score.ts'
import { CLAIM_RANK_MAX } from './limits.ts'
import { type AgentView, takesJobs } from './observation.ts'
import { CLAIM_RANKS_PER_STEP } from './placement-limits.ts'
import type { TextDigest } from './ports.ts'
import { fits, hasRoom, type Wanted } from './requirements.ts'
import { type WarmKeys, warmKeysOf } from './warmth.ts'

/** A job to place; `lastHolder` lost its lease on it and comes last, undefined for a fresh one. */
export interface Placing extends Wanted {
  readonly jobId: string
  readonly lastHolder: string | undefined
}

export function placingOf({ jobId, spec, trust, origin, state }: BoardJob): Placing {
  const lastHolder = state?.lease?.holder ?? state?.history.at(-1)?.holder
  return { jobId, spec, trust, origin, lastHolder }
}

/** Where an agent stands among others for one job; equal for no two agents. */
export interface Standing {
  readonly peerId: string
  readonly tier: number
  readonly score: number
}

/**
 * How many agents should claim before `peerId`: 0 for the one that goes first, undefined where
 * `peerId` is no candidate (lease-protocol 4.7).
 *
 * Each agent computes this alone, from what all have heard: first by tier, which is no matter of
 * chance, then by weighted rendezvous hashing: score = -weight / ln(u), u in (0, 1) from
 * SHA-256(jobId|peerId). Everyone gets the same u without a word, an agent is first in its tier
 * with a chance proportional to its weight, and one that comes or goes changes no other pair's
 * order.
 * Views that differ cost a contended round, never a second lease: the register decides.
 */
export function rankOf(
  peerId: string,
  placing: Placing,
  agents: readonly AgentView[],
  digest: TextDigest
): number | undefined {
  const self = agents.find(({ advertisement }) => advertisement.peerId === peerId)
  if (self === undefined || !isCandidate(placing, self)) return undefined
  const keys = keysOf(placing, digest)
  const own = standingOf(placing, self.advertisement, keys, digest)
  // Counted, not sorted: of a thousand agents each does this for each job.
  return agents.filter((view) => {
    if (view === self || !isCandidate(placing, view)) return false
    return byStanding(standingOf(placing, view.advertisement, keys, digest), own) < 0
  }).length
}

/**
 * Milliseconds to wait before a claim: the first at once, the second after one claim delay, so that
 * two candidates are tried before anybody else, and so on by rank. `jitter` is uniform in [0, 1):
 * two agents that believe in the same rank must not meet in every round.
 *
 * Behind CLAIM_RANK_MAX there are CLAIM_RANKS_PER_STEP agents a step: a job that its first ones
 * leave alone is tried by a few at a time in any mesh, and by every one that could run it in the
 * end.
 */
export function claimWaitMs(rank: number, claimDelayMs: number, jitter: number): number {
  if (rank === 0) return 0
  const late = Math.max(0, rank - CLAIM_RANK_MAX) / CLAIM_RANKS_PER_STEP
  return (Math.min(rank, CLAIM_RANK_MAX) + late + jitter) * claimDelayMs
}

/** True when the agent fits, has room and takes jobs, as far as this observer knows. */
export function isCandidate(job: Wanted, view: AgentView): boolean {
  const { advertisement } = view
  return takesJobs(view) && hasRoom(job, advertisement) && fits(job, advertisement).length === 0
}

export function keysOf({ spec, origin }: Placing, digest: TextDigest): WarmKeys {
  return warmKeysOf(spec, origin.repository, digest)
}

/** Behind all others is a host that lost the job: it may still be sick. */
const LOST_IT = 1_000

export function standingOf(
  { spec, trust, jobId, lastHolder }: Placing,
  advertisement: Advertisement,
  keys: WarmKeys,
  digest: TextDigest
): Standing {
  const { peerId } = advertisement
  const { tier, weight } = fitScoreOf({ spec, trust }, advertisement, keys)
  const u = unitOf(digest.text(`${jobId}|${peerId}`))
  const behind = peerId === lastHolder ? LOST_IT : 0
  return { peerId, tier: tier + behind, score: -weight / Math.log(u) }
}

export function byStanding(a: Standing, b: Standing): number {
  return a.tier - b.tier || b.score - a.score || (a.peerId < b.peerId ? -1 : 1)
}

// 52 bits: with the half added a double still holds the number exactly.
const HEX_DIGITS = 13
const HEX_RANGE = 16 ** HEX_DIGITS

/** Uniform in (0, 1) from 64 hex digits; never 0 or 1, whose logarithms have no order. */
export function unitOf(hex: string): number {
  return (Number.parseInt(hex.slice(0, HEX_DIGITS), 16) + 0.5) / HEX_RANGE
}
