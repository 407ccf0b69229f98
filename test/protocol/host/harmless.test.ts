import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MeshError } from '../../../protocol/core/errors.ts'
import { jsonText } from '../../../protocol/host/command-text.ts'
import { reportError } from '../../../protocol/host/exit.ts'
import { harmless, harmlessJson, harmlessLine } from '../../../protocol/host/harmless.ts'
import { arbitraryText } from '../../support/arbitrary-text.ts'

const POWERFUL = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u

test.each([
  ['clipboard', 'a\u001b]52;c;ZXZpbA==\u0007b', 'ab'],
  ['title, ended as the standard says', 'a\u001b]0;owned\u001b\\b', 'ab'],
  ['colour', 'a\u001b[31mred', 'a[31mred'],
  ['cursor', 'a\u001b[2Jb', 'a[2Jb'],
  ['rows', 'a\r\nFAKE\nrow', 'a FAKE row'],
  ['Unicode rows', 'a\u2028b\u2029c\u0085d', 'a b c d'],
  ['bidi', 'a\u202eb\u2066c\u200f', 'abc'],
  ['nothing', 'Zoë 🎉 \u200d ünï', 'Zoë 🎉 \u200d ünï']
])('one line of text has no power: %s', (_name, text, shown) => {
  expect(harmless(text)).toBe(shown)
})

test('a document keeps its form, and every text and name in it is made harmless', () => {
  const document = { name: 'a\n', tags: ['\u001b[m'], 'k\u0007': { at: 1, none: null, no: false } }

  expect(harmless(document)).toEqual({
    name: 'a ',
    tags: ['[m'],
    k: { at: 1, none: null, no: false }
  })
})

test('no text keeps any power, and what is harmless stays as it is', () => {
  fc.assert(
    fc.property(arbitraryText(60), (text) => {
      const once = harmless(text)
      expect(once).not.toMatch(POWERFUL)
      expect(harmless(once)).toBe(once)
      const line = harmlessLine(text).replace(/\u001b\[[0-9;]*m|\t/g, '')
      expect(line).not.toMatch(POWERFUL)
    })
  )
})

test('JSON says the same and shows no power', () => {
  fc.assert(
    fc.property(arbitraryText(60), (text) => {
      const document = { [text]: [text, 1] }
      const json = jsonText(document)
      expect(json.replaceAll('\n', '')).not.toMatch(POWERFUL)
      expect(JSON.parse(json)).toEqual(document)
      expect(JSON.parse(harmlessJson(JSON.stringify(text)))).toBe(text)
    })
  )
})

test("an error's line is one line, whatever name is in it", () => {
  let said = ''
  const stream = { write: (text: string) => (said += text) }
  const error = new MeshError('PEER_UNKNOWN', {
    name: 'x',
    known: 'a\n\u001b]52;c;eA==\u0007BUG: b'
  })

  expect(reportError(error, false, stream)).toBe(4)
  expect(said).toBe('PEER_UNKNOWN: no peer x in the roster: a BUG: b\n')
  said = ''
  reportError(error, true, stream)
  expect(JSON.parse(said).error.facts.known).toBe('a\n\u001b]52;c;eA==\u0007BUG: b')
})
