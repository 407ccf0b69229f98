import type { NetworkPolicy } from '../../../protocol/core/network.ts'

/** What the names of all bridges of jobs begin with; the host's rules go by it. */
export const BRIDGE_PREFIX = 'rmj'

/**
 * Of bridges that lead nowhere, so that no rules of forwarding are for them: those of this host's
 * agents would drop what goes from one container on such a bridge to the next.
 */
export const CLOSED_PREFIX = 'rms'

/** `none` is the network of a job with services: they reach one another, and nothing else. */
export type NetworkedPolicy = NetworkPolicy

/**
 * Name of a claim's bridge. Its fourth letter is the policy, so that the rules for it are there
 * before the bridge is; Linux takes 15 characters.
 */
export function bridgeOf(policy: NetworkedPolicy, claimId: string): string {
  const prefix = policy === 'none' ? CLOSED_PREFIX : BRIDGE_PREFIX
  return `${prefix}${letterOf(policy)}${claimId.slice(0, 8)}`
}

function letterOf(policy: NetworkedPolicy): 'n' | 'i' | 'u' | 'a' {
  if (policy === 'none') return 'n'
  if (policy === 'internet') return 'i'
  return policy === 'open' ? 'u' : 'a'
}
