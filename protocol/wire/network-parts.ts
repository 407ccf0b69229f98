import {
  isCanonicalEntry,
  type NetworkKind,
  type NetworkPolicy,
  networkKind
} from '../core/network.ts'
import { NETWORK_ALLOW_MAX, NETWORK_ENTRY_CHARACTERS_MAX } from '../core/network-limits.ts'
import type { FieldReader } from './field-reader.ts'
import type { FieldWriter } from './field-writer.ts'
import { refuse } from './fields.ts'
import { numbered } from './numbered.ts'

/** As `announcement.proto` numbers them. */
const kinds = numbered<NetworkKind>('network', {
  none: 1,
  internet: 2,
  open: 3,
  allow: 4,
  audit: 5
})

export function writeNetworkKind(writer: FieldWriter, policy: NetworkPolicy): void {
  writer.name(10, networkKind(policy), kinds)
}

export function readNetworkKind(reader: FieldReader): NetworkKind {
  return reader.name(10, kinds)
}

export function writeNetworkAllow(writer: FieldWriter, policy: NetworkPolicy): void {
  if (typeof policy === 'string') return
  for (const entry of checked(policy.allow).toReversed()) {
    writer.line(16, 'networkAllow', entry, NETWORK_ENTRY_CHARACTERS_MAX)
  }
}

/** The whole policy: its list comes behind all that has a lower number. */
export function readNetworkAllow(reader: FieldReader, kind: NetworkKind): NetworkPolicy {
  const allow: string[] = []
  while (allow.length <= NETWORK_ALLOW_MAX && reader.isNext(16)) {
    allow.push(reader.line(16, 'networkAllow', NETWORK_ENTRY_CHARACTERS_MAX))
  }
  if (kind === 'allow') return { allow: checked(allow) }
  return allow.length === 0 ? kind : refuse('networkAllow', `is there with network ${kind}`)
}

function checked(allow: readonly string[]): readonly string[] {
  if (allow.length === 0) refuse('networkAllow', 'is empty')
  if (allow.length > NETWORK_ALLOW_MAX) {
    refuse('networkAllow', `has over ${NETWORK_ALLOW_MAX} entries`)
  }
  const wrong = allow.find((entry) => !isCanonicalEntry(entry))
  return wrong === undefined ? allow : refuse('networkAllow', `has ${JSON.stringify(wrong)}`)
}
