import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  canonicalEntry,
  formatAllowEntry,
  parseAllowEntry
} from '../../../protocol/core/allow-entry.ts'
import { formatNameEntry } from '../../../protocol/core/name-entry.ts'
import { allowEntries, nameEntries } from '../../support/arbitrary-network.ts'

function problemOf(text: string): string {
  const parsed = parseAllowEntry(text)
  return parsed.kind === 'problem' ? parsed.text : 'no problem'
}

test('an entry that is written and read again is the same entry', () => {
  fc.assert(
    fc.property(allowEntries, (entry) => {
      expect(parseAllowEntry(formatAllowEntry(entry))).toEqual({ kind: 'entry', entry })
    })
  )
})

test('two spellings of one entry have one canonical form', () => {
  expect(canonicalEntry('10.1.2.3/32:5432-5432/tcp')).toBe('10.1.2.3:5432')
  expect(canonicalEntry('10.1.2.0/24:0053/udp')).toBe('10.1.2.0/24:53/udp')
  expect(canonicalEntry('Registry.NPMJS.org.:0443-443/tcp')).toBe('registry.npmjs.org:443')
  expect(canonicalEntry('*.Debian.ORG:80')).toBe('*.debian.org:80')
})

test('an entry that names a host is the same entry when it is written and read again', () => {
  fc.assert(
    fc.property(nameEntries, (entry) => {
      expect(parseAllowEntry(formatNameEntry(entry))).toEqual({ kind: 'name', entry })
    })
  )
})

test('a canonical entry is its own canonical form, and no text has another one', () => {
  const written = fc.oneof(
    allowEntries.map(formatAllowEntry),
    nameEntries.map(formatNameEntry),
    nameEntries.map((entry) => formatNameEntry(entry).toUpperCase()),
    fc.string()
  )
  fc.assert(
    fc.property(written, (text) => {
      const once = canonicalEntry(text)
      if (once !== undefined) expect(canonicalEntry(once)).toBe(once)
    })
  )
})

test.each([
  ['10.1.2.3', 'is no address with a port'],
  ['10.1.2.3:', 'is no address with a port'],
  ['10.1.2.3:80/icmp', 'is no address with a port'],
  ['[::1]:80', 'is no address with a port'],
  ['10.1.2.3 :80', 'is no address with a port'],
  ['10.1.2:80', 'is no IPv4 address'],
  ['10.1.2.256:80', 'is no IPv4 address'],
  ['010.1.2.3:80', 'is no IPv4 address'],
  ['10.1.2.0/33:80', 'prefix over 32'],
  ['10.1.2.3/24:80', 'write 10.1.2.0/24'],
  ['10.1.2.3:0', 'no such ports'],
  ['10.1.2.3:65536', 'no such ports'],
  ['10.1.2.3:90-80', 'no such ports'],
  ['169.254.169.254:80', 'never reachable'],
  ['168.63.129.16:80', 'never reachable'],
  ['100.100.100.200:80', 'never reachable'],
  ['127.0.0.1:80', 'never reachable'],
  ['224.0.0.0/4:80', 'never reachable'],
  ['localhost:80', 'names no host'],
  ['*.com:443', 'names no host'],
  ['*:443', 'names no host'],
  ['a.*.example:443', 'names no host'],
  ['*a.example:443', 'names no host'],
  ['a..example:443', 'names no host'],
  ['-a.example:443', 'names no host'],
  ['a.example..:443', 'names no host'],
  ['m\u00fcnchen.example:443', 'names no host'],
  ['\u212aa.example:443', 'names no host'],
  ['0x7f.1:443', 'names no host'],
  ['a.0x10:443', 'names no host'],
  ['0x0a0a0a0a:443', 'names no host'],
  ['2130706433:443', 'is no IPv4 address'],
  ['127.1:443', 'is no IPv4 address'],
  ['0177.0.0.1:443', 'is no IPv4 address'],
  ['1.2.3.4.:443', 'is no IPv4 address'],
  [`${'a.'.repeat(126)}aaa:443`, 'names no host'],
  [`${'a'.repeat(64)}.example:443`, 'names no host'],
  ['a.example/24:443', 'has a prefix'],
  ['a.example:53/udp', 'names are for TCP alone'],
  ['a.example:25', 'opens mail'],
  ['a.example:0', 'no such ports'],
  ['user@a.example:443', 'names no host']
])('%s is refused: it %s', (text, problem) => {
  expect(problemOf(text)).toContain(problem)
})

test('no text makes it throw', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(['entry', 'problem']).toContain(parseAllowEntry(text).kind)
    })
  )
})
