import { expect, test } from 'vitest'
import {
  abilityFor,
  allowEntries,
  isCanonicalEntry,
  type NetworkPolicy,
  networkKind
} from '../../../protocol/core/network.ts'

test.each<readonly [NetworkPolicy, string, string | undefined]>([
  ['none', 'none', undefined],
  ['internet', 'internet', 'internet'],
  ['open', 'open', 'open'],
  [{ allow: ['1.2.3.4:443'] }, 'allow', 'internet'],
  [{ allow: ['1.2.3.4:443', '10.1.2.3:5432'] }, 'allow', 'private'],
  [{ allow: ['0.0.0.0/0:443'] }, 'allow', 'private']
])('%j is of the kind %s and needs %s', (policy, kind, ability) => {
  expect(networkKind(policy)).toBe(kind)
  expect(abilityFor(policy)).toBe(ability)
})

test('an entry that cannot be read opens nothing', () => {
  expect(allowEntries({ allow: ['x', '1.2.3.4:443'] })).toHaveLength(1)
  expect(allowEntries('open')).toEqual([])
})

test('only the canonical spelling of an entry is one', () => {
  expect(isCanonicalEntry('10.1.2.0/24:80-90')).toBe(true)
  for (const other of ['10.1.2.3/32:80', '10.1.2.3:80-80', '10.1.2.3:80/tcp', '10.1.2.3:080']) {
    expect(isCanonicalEntry(other), other).toBe(false)
  }
})
