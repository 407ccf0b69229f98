import type { Advertisement } from './advertisement.ts'
import { diskOf } from './capacity.ts'
import { footprintOf } from './footprint.ts'
import { CLAIM_RANK_MAX, EMULATED_WEIGHT, PLACEMENT_ROOM_MAX } from './limits.ts'
import { type AgentView, takesJobs } from './observation.ts'
import type { Digest } from './ports.ts'
import { fits, lacksRoom, platformFor, type Wanted } from './requirements.ts'
import type { JobSpec } from './run.ts'

/** A job to place; `lastHolder` lost its lease on it and comes last, undefined for a fresh one. */
export interface Placing extends Wanted {
  readonly jobId: string
  readonly lastHolder: string | undefined
}

/**
 * Peer ids of the agents that could take the job now, best first (lease-protocol 4.7).
 *
 * Each agent computes this alone, from what all have heard. The order is weighted rendezvous
 * hashing: score = -weight / ln(u), u in (0, 1) from SHA-256(jobId|peerId). Everyone gets the same
 * u without a word, an agent is first with a chance proportional to its weight, and one that comes
 * or goes changes no other pair's order. Views that differ cost a contended round, never a second
 * lease: the register decides.
 */
export function rankAgents(
  placing: Placing,
  agents: readonly AgentView[],
  digest: Digest
): readonly string[] {
  const scored = agents
    .filter((view) => isCandidate(placing, view))
    .map((view) => ({
      peerId: view.advertisement.peerId,
      score: scoreOf(placing, view.advertisement, digest)
    }))
  scored.sort((a, b) => b.score - a.score || (a.peerId < b.peerId ? -1 : 1))
  return scored.map((entry) => entry.peerId)
}

/** 0 for the agent that should claim first; undefined where `peerId` is no candidate. */
export function rankOf(
  peerId: string,
  placing: Placing,
  agents: readonly AgentView[],
  digest: Digest
): number | undefined {
  const rank = rankAgents(placing, agents, digest).indexOf(peerId)
  return rank < 0 ? undefined : rank
}

/**
 * Milliseconds to wait before a claim. `jitter` is uniform in [0, 1): two agents that believe in
 * the same rank must not meet in every round.
 */
export function claimWaitMs(rank: number, claimDelayMs: number, jitter: number): number {
  if (rank === 0) return 0
  return (Math.min(rank, CLAIM_RANK_MAX) + jitter) * claimDelayMs
}

/** True when the agent fits, has room and takes jobs, as far as this observer knows. */
export function isCandidate(job: Wanted, view: AgentView): boolean {
  const { advertisement } = view
  return (
    takesJobs(view) &&
    fits(job, advertisement).length === 0 &&
    lacksRoom(job, advertisement).length === 0
  )
}

/**
 * How much an agent should be preferred: how many jobs of this size it could still take, so that a
 * burst spreads by room, and a fraction of that where the platform is only emulated.
 */
export function weightOf(spec: JobSpec, advertisement: Advertisement): number {
  const { free, capacity } = advertisement
  const { cpuMilli, memoryBytes } = footprintOf(spec)
  const room = Math.min(
    free.jobs,
    free.cpuMilli / Math.max(1, cpuMilli),
    free.memoryBytes / Math.max(1, memoryBytes),
    free.diskBytes / Math.max(1, diskOf(spec.resources, capacity)),
    PLACEMENT_ROOM_MAX
  )
  const native = platformFor(spec, advertisement.platforms)?.native === true
  return Math.max(1, room) * (native ? 1 : EMULATED_WEIGHT)
}

function scoreOf(placing: Placing, advertisement: Advertisement, digest: Digest): number {
  const u = unitOf(digest.text(`${placing.jobId}|${advertisement.peerId}`))
  const score = -weightOf(placing.spec, advertisement) / Math.log(u)
  // Scores are positive, so this is behind every other: a host that lost the job may still be sick.
  return advertisement.peerId === placing.lastHolder ? -score : score
}

// 52 bits: with the half added a double still holds the number exactly.
const HEX_DIGITS = 13
const HEX_RANGE = 16 ** HEX_DIGITS

/** Uniform in (0, 1) from 64 hex digits; never 0 or 1, whose logarithms have no order. */
export function unitOf(hex: string): number {
  return (Number.parseInt(hex.slice(0, HEX_DIGITS), 16) + 0.5) / HEX_RANGE
}
