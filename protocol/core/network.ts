import { type AllowEntry, formatAllowEntry, parseAllowEntry } from './allow-entry.ts'
import { hasSpecial } from './special-ranges.ts'

/**
 * What a job may reach beside itself: nothing, public addresses, what is listed and nothing else,
 * or all that its host reaches. Never the host, and no entry but in its canonical form.
 */
export type NetworkPolicy = 'none' | 'internet' | 'open' | { readonly allow: readonly string[] }

/** How the wire and the names of bridges call a policy. */
export type NetworkKind = 'none' | 'internet' | 'open' | 'allow'

/**
 * What a host enforces and its owner offers: public addresses, listed ones that are not public, and
 * everything.
 */
export const NETWORK_ABILITIES = ['internet', 'private', 'open'] as const
export type NetworkAbility = (typeof NETWORK_ABILITIES)[number]

/** How a host keeps jobs to their policies: whose rules its kernel has been told. */
export const NETWORK_RULES = ['nft', 'iptables', 'holder'] as const
export type NetworkRules = (typeof NETWORK_RULES)[number]

export function networkKind(policy: NetworkPolicy): NetworkKind {
  return typeof policy === 'string' ? policy : 'allow'
}

/** What a host must offer for this policy; undefined where every host will do. */
export function abilityFor(policy: NetworkPolicy): NetworkAbility | undefined {
  if (policy === 'none') return undefined
  if (typeof policy === 'string') return policy
  // A stranger's list must not open the owner's own network.
  return allowEntries(policy).some(({ range }) => hasSpecial(range)) ? 'private' : 'internet'
}

/** The entries of an allow list, those that cannot be read left out: they open nothing. */
export function allowEntries(policy: NetworkPolicy): readonly AllowEntry[] {
  if (typeof policy === 'string') return []
  return policy.allow.flatMap((text) => {
    const parsed = parseAllowEntry(text)
    return parsed.kind === 'entry' ? [parsed.entry] : []
  })
}

/** True for an entry as jobs have it: of two spellings, a signature would cover only one. */
export function isCanonicalEntry(text: string): boolean {
  const parsed = parseAllowEntry(text)
  return parsed.kind === 'entry' && formatAllowEntry(parsed.entry) === text
}
