import type { NetworkPolicy } from '../../../protocol/core/network.ts'

/** What the names of all bridges of jobs begin with; the host's rules go by it. */
export const BRIDGE_PREFIX = 'rmj'

export type NetworkedPolicy = Exclude<NetworkPolicy, 'none'>

/**
 * Name of a claim's bridge. Its fourth letter is the policy, so that the rules for it are there
 * before the bridge is; Linux takes 15 characters.
 */
export function bridgeOf(policy: NetworkedPolicy, claimId: string): string {
  return `${BRIDGE_PREFIX}${letterOf(policy)}${claimId.slice(0, 8)}`
}

function letterOf(policy: NetworkedPolicy): 'i' | 'u' | 'a' {
  if (policy === 'internet') return 'i'
  return policy === 'open' ? 'u' : 'a'
}
