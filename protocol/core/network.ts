import { type AllowEntry, canonicalEntry, parseAllowEntry } from './allow-entry.ts'
import type { NameEntry } from './name-entry.ts'
import { hasPublic, hasSpecial } from './special-ranges.ts'

/**
 * What a job may reach beside itself: nothing, public addresses, what is listed and nothing else,
 * or all that its host reaches. `audit` is public hosts by name, and tells in the end what a list
 * would have to say. Never the host, and no entry but in its canonical form.
 */
export type NetworkPolicy =
  | 'none'
  | 'internet'
  | 'open'
  | 'audit'
  | { readonly allow: readonly string[] }

/** How the wire and the names of bridges call a policy. */
export type NetworkKind = 'none' | 'internet' | 'open' | 'audit' | 'allow'

/** What a host's owner offers: public addresses, listed ones that are not public, everything. */
export type OfferedNetwork = 'internet' | 'private' | 'open'

/** What a host enforces and its owner offers; `names` where a proxy goes by names of hosts. */
export const NETWORK_ABILITIES = ['internet', 'private', 'open', 'names'] as const
export type NetworkAbility = (typeof NETWORK_ABILITIES)[number]

/** How a host keeps jobs to their policies: whose rules its kernel has been told. */
export const NETWORK_RULES = ['nft', 'iptables', 'holder'] as const
export type NetworkRules = (typeof NETWORK_RULES)[number]

export function networkKind(policy: NetworkPolicy): NetworkKind {
  return typeof policy === 'string' ? policy : 'allow'
}

/** What a host must offer for this policy; nothing where every host will do. */
export function abilitiesFor(policy: NetworkPolicy): readonly NetworkAbility[] {
  if (policy === 'none') return []
  if (policy === 'audit') return ['internet', 'names']
  if (typeof policy === 'string') return [policy]
  const addresses = allowEntries(policy)
  const hasNames = needsProxy(policy)
  // A stranger's list must not open the owner's own network.
  const isPrivate = addresses.some(({ range }) => hasSpecial(range))
  // One entry of theirs in it must not open the internet where the owner offers theirs alone.
  const isPublic = hasNames || !isPrivate || addresses.some(({ range }) => hasPublic(range))
  return [
    ...(isPublic ? (['internet'] as const) : []),
    ...(isPrivate ? (['private'] as const) : []),
    ...(hasNames ? (['names'] as const) : [])
  ]
}

/** True where the job goes by names of hosts, which no rule of a kernel knows. */
export function needsProxy(policy: NetworkPolicy): boolean {
  return policy === 'audit' || nameEntries(policy).length > 0
}

/** The addresses of an allow list, entries that cannot be read left out: they open nothing. */
export function allowEntries(policy: NetworkPolicy): readonly AllowEntry[] {
  return entriesOf(policy).flatMap((parsed) => (parsed.kind === 'entry' ? [parsed.entry] : []))
}

/** The names of an allow list, likewise. */
export function nameEntries(policy: NetworkPolicy): readonly NameEntry[] {
  return entriesOf(policy).flatMap((parsed) => (parsed.kind === 'name' ? [parsed.entry] : []))
}

/** True for an entry as jobs have it: of two spellings, a signature would cover only one. */
export function isCanonicalEntry(text: string): boolean {
  return canonicalEntry(text) === text
}

function entriesOf(policy: NetworkPolicy) {
  return typeof policy === 'string' ? [] : policy.allow.map(parseAllowEntry)
}
