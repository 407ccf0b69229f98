import type { AgentView } from '../../protocol/core/observation.ts'
import { type Placing, rankOf } from '../../protocol/core/placement.ts'
import type { TextDigest } from '../../protocol/core/ports.ts'

/** Peer ids of the agents that have a rank for the job, best first: each computes its own. */
export function rankedAgents(
  placing: Placing,
  agents: readonly AgentView[],
  digest: TextDigest
): readonly string[] {
  return agents
    .flatMap(({ advertisement: { peerId } }) => {
      const rank = rankOf(peerId, placing, agents, digest)
      return rank === undefined ? [] : [{ peerId, rank }]
    })
    .sort((a, b) => a.rank - b.rank)
    .map(({ peerId }) => peerId)
}
