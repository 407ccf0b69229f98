import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatAllowEntry, parseAllowEntry } from '../../../protocol/core/allow-entry.ts'
import { allowEntries } from '../../support/arbitrary-network.ts'

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
  const canonical = (text: string): string => {
    const parsed = parseAllowEntry(text)
    return parsed.kind === 'entry' ? formatAllowEntry(parsed.entry) : parsed.text
  }
  expect(canonical('10.1.2.3/32:5432-5432/tcp')).toBe('10.1.2.3:5432')
  expect(canonical('10.1.2.0/24:0053/udp')).toBe('10.1.2.0/24:53/udp')
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
  ['127.0.0.1:80', 'never reachable'],
  ['224.0.0.0/4:80', 'never reachable'],
  ['registry.example:443', 'names a host'],
  ['localhost:80', 'names a host']
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
