import type { NetworkPolicy } from '../../../protocol/core/network.ts'

/** What the names of all bridges of jobs begin with; the host's rules go by it. */
export const BRIDGE_PREFIX = 'rmj'

/**
 * Of bridges that this agent sets no rules for, and that lead nowhere without any: the rules of
 * another agent of this host would drop what goes from one of a job's containers to the next.
 */
const UNRULED_PREFIX = 'rms'

/** `none` is the network of a job with services: they reach one another, and nothing else. */
export type NetworkedPolicy = NetworkPolicy

/**
 * Name of a claim's bridge. Its fourth letter is the policy, so that the rules for it are there
 * before the bridge is; Linux takes 15 characters.
 */
export function bridgeOf(policy: NetworkedPolicy, claimId: string, isRuled = true): string {
  const prefix = isRuled ? BRIDGE_PREFIX : UNRULED_PREFIX
  return `${prefix}${letterOf(policy)}${claimId.slice(0, 8)}`
}

function letterOf(policy: NetworkedPolicy): 'n' | 'i' | 'u' | 'a' {
  if (policy === 'none') return 'n'
  if (policy === 'internet') return 'i'
  return policy === 'open' ? 'u' : 'a'
}
