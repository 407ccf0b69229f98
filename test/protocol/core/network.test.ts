import fc from 'fast-check'
import { expect, test } from 'vitest'
import { rangeOf } from '../../../protocol/core/address-range.ts'
import { formatAllowEntry } from '../../../protocol/core/allow-entry.ts'
import {
  abilitiesFor,
  allowEntries,
  isCanonicalEntry,
  type NetworkPolicy,
  nameEntries,
  needsProxy,
  networkKind
} from '../../../protocol/core/network.ts'
import { SPECIAL_RANGES } from '../../../protocol/core/special-ranges.ts'
import { allowEntries as allowEntryOf } from '../../support/arbitrary-network.ts'

test.each<readonly [NetworkPolicy, string, readonly string[]]>([
  ['none', 'none', []],
  ['internet', 'internet', ['internet']],
  ['open', 'open', ['open']],
  ['audit', 'audit', ['internet', 'names']],
  [{ allow: ['1.2.3.4:443'] }, 'allow', ['internet']],
  [{ allow: ['1.2.3.4:443', '10.1.2.3:5432'] }, 'allow', ['internet', 'private']],
  [{ allow: ['10.1.2.3:5432'] }, 'allow', ['private']],
  [{ allow: ['224.0.0.0/3:80'] }, 'allow', ['private']],
  [{ allow: ['0.0.0.0/0:443'] }, 'allow', ['internet', 'private']],
  [{ allow: ['a.example:443'] }, 'allow', ['internet', 'names']],
  [{ allow: ['*.a.example:443', '10.1.2.3:80'] }, 'allow', ['internet', 'private', 'names']]
])('%j is of the kind %s and needs %s', (policy, kind, abilities) => {
  expect(networkKind(policy)).toBe(kind)
  expect(abilitiesFor(policy)).toEqual(abilities)
  expect(needsProxy(policy)).toBe(abilities.includes('names'))
})

test('a list needs the offer of whatever address it opens', () => {
  const entries = fc.array(allowEntryOf, { minLength: 1, maxLength: 4 })
  const share = fc.double({ min: 0, max: 1, noNaN: true })
  fc.assert(
    fc.property(entries, share, (list, at) => {
      const needed = abilitiesFor({ allow: list.map(formatAllowEntry) })
      for (const { range } of list) {
        const address = Math.floor(range.first + at * (range.last - range.first))
        expect(needed).toContain(isSpecial(address) ? 'private' : 'internet')
      }
      // And none that it does not: at an edge of a block, or of a range, it shows.
      const edges = SPECIAL_RANGES.map(rangeOf).flatMap(({ first, last }) => [first - 1, last + 1])
      const opened = list.flatMap(({ range }) => {
        const within = edges.filter((edge) => range.first <= edge && edge <= range.last)
        return [range.first, range.last, ...within]
      })
      expect(needed.includes('internet')).toBe(opened.some((address) => !isSpecial(address)))
    })
  )
})

function isSpecial(address: number): boolean {
  const ranges = SPECIAL_RANGES.map(rangeOf)
  return ranges.some(({ first, last }) => first <= address && address <= last)
}

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
