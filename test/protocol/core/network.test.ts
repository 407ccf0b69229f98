import { expect, test } from 'vitest'
import {
  abilitiesFor,
  allowEntries,
  isCanonicalEntry,
  type NetworkPolicy,
  nameEntries,
  needsProxy,
  networkKind
} from '../../../protocol/core/network.ts'

test.each<readonly [NetworkPolicy, string, readonly string[]]>([
  ['none', 'none', []],
  ['internet', 'internet', ['internet']],
  ['open', 'open', ['open']],
  ['audit', 'audit', ['internet', 'names']],
  [{ allow: ['1.2.3.4:443'] }, 'allow', ['internet']],
  [{ allow: ['1.2.3.4:443', '10.1.2.3:5432'] }, 'allow', ['private']],
  [{ allow: ['0.0.0.0/0:443'] }, 'allow', ['private']],
  [{ allow: ['a.example:443'] }, 'allow', ['internet', 'names']],
  [{ allow: ['*.a.example:443', '10.1.2.3:80'] }, 'allow', ['private', 'names']]
])('%j is of the kind %s and needs %s', (policy, kind, abilities) => {
  expect(networkKind(policy)).toBe(kind)
  expect(abilitiesFor(policy)).toEqual(abilities)
  expect(needsProxy(policy)).toBe(abilities.includes('names'))
})

test('an entry that cannot be read opens nothing', () => {
  expect(allowEntries({ allow: ['x', '1.2.3.4:443'] })).toHaveLength(1)
  expect(allowEntries('open')).toEqual([])
  expect(nameEntries({ allow: ['x', '1.2.3.4:443', 'a.example:1'] })).toHaveLength(1)
})

test('only the canonical spelling of an entry is one', () => {
  expect(isCanonicalEntry('10.1.2.0/24:80-90')).toBe(true)
  for (const other of [
    '10.1.2.3/32:80',
    '10.1.2.3:80-80',
    '10.1.2.3:80/tcp',
    '10.1.2.3:080',
    'A.example:1'
  ]) {
    expect(isCanonicalEntry(other), other).toBe(false)
  }
})
