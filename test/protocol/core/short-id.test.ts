import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FIND_CANDIDATES_MAX } from '../../../protocol/core/limits.ts'
import { readTypedId, ShortIds, shortJobId } from '../../../protocol/core/short-id.ts'

const idsOf = (...runIds: readonly string[]) => {
  const ids = new ShortIds()
  for (const runId of runIds) ids.add(runId)
  return ids
}

test('an id alone is shown by six characters', () => {
  expect(idsOf('7K3QF2AAAA').shorten('7K3QF2AAAA')).toBe('7K3QF2')
})

test('ids that begin alike are shown by one character more than they share', () => {
  const ids = idsOf('7K3QF2AAAA', '7K3QF2AABB', '7K3QZZZZZZ')
  expect(ids.shorten('7K3QF2AAAA')).toBe('7K3QF2AAA')
  expect(ids.shorten('7K3QZZZZZZ')).toBe('7K3QZZ')
  expect(shortJobId(ids, '7K3QF2AABB', 3)).toBe('7K3QF2AAB.3')
})

test('a removed id makes no other longer', () => {
  const ids = idsOf('7K3QF2AAAA', '7K3QF2AABB')
  ids.remove('7K3QF2AABB')
  expect(ids.shorten('7K3QF2AAAA')).toBe('7K3QF2')
})

test('a prefix of fewer than six characters matches nothing', () => {
  expect(idsOf('7K3QF2AAAA').match('7K3QF')).toEqual([])
})

test('an id may be typed in small letters and with the letters that the alphabet lacks', () => {
  expect(idsOf('7K3Q10AAAA').match('7k3qIo')).toEqual(['7K3Q10AAAA'])
  expect(idsOf('7K3Q10AAAA').match('7k3qlO')).toEqual(['7K3Q10AAAA'])
})

test('a prefix of very many runs names a few of them', () => {
  const ids = idsOf(...Array.from({ length: 100 }, (_, n) => `AAAAAA${String(n).padStart(3, '0')}`))
  expect(ids.match('AAAAAA')).toHaveLength(FIND_CANDIDATES_MAX)
})

const runIds = fc.uniqueArray(fc.stringMatching(/^[0-9A-HJKMNP-TV-Z]{26}$/), {
  minLength: 1,
  maxLength: 20
})
const alike = runIds.map((ids) => ids.map((id, index) => `AAAAAA${'B'.repeat(index % 5)}${id}`))

test('every shown id leads back to its run and to no other', () => {
  fc.assert(
    fc.property(fc.oneof(runIds, alike), (all) => {
      const ids = idsOf(...all, ...all)
      for (const runId of all) expect(ids.match(ids.shorten(runId))).toEqual([runId])
    })
  )
})

test.each([
  ['7K3QF2.0', { prefix: '7K3QF2', index: 0 }],
  ['7K3QF2', { prefix: '7K3QF2', index: undefined }],
  ['7K3QF2.', undefined],
  ['7K3QF2.-1', undefined],
  ['7K3QF2.1e3', undefined],
  ['../x', undefined],
  ['', undefined]
])('"%s" is read as %j', (text, expected) => {
  expect(readTypedId(text)).toEqual(expected)
})
