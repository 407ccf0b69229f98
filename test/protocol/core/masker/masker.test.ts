import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MASK, Masker } from '../../../../protocol/core/masker/masker.ts'
import { cutAt, filler, SPELLINGS, value } from './spellings.ts'

/** 800 for each of the two properties: the 1 600 cases of the claim in docs/security.md. */
const CASES = 800
const bytesOf = (text: string): Uint8Array => Buffer.from(text)

function masked(masker: Masker, text: string, places: readonly number[] = []): string {
  const stream = masker.stream()
  const shown = cutAt(bytesOf(text), places).map((chunk) => Buffer.from(stream.push(chunk)))
  return Buffer.concat([...shown, stream.finish()]).toString('utf8')
}

/** Line ends stay, so that a text has as many lines as before. */
const maskOf = (spelled: string): string =>
  spelled
    .split('\n')
    .map((line) => (line === '' ? '' : MASK))
    .join('\n')

const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 40 })
const values = fc.array(value, { minLength: 1, maxLength: 5 })

describe('whatever the cuts between chunks', () => {
  test('every spelling of a value is masked, and all else stays to the byte', () => {
    const pieces = fc.array(
      fc.record({ filler, which: fc.nat(), as: fc.constantFrom(...Object.keys(SPELLINGS)) }),
      { minLength: 1, maxLength: 12 }
    )
    fc.assert(
      fc.property(values, pieces, places, filler, (secrets, parts, cuts, last) => {
        const masker = new Masker(secrets.map(bytesOf))
        const spelled = parts.map(({ filler: before, which, as }) => {
          const secret = secrets[which % secrets.length] ?? ''
          return { before, said: SPELLINGS[as]?.(secret) ?? '' }
        })
        const text = spelled.map(({ before, said }) => before + said).join('') + last
        const wanted = spelled.map(({ before, said }) => before + maskOf(said)).join('') + last

        expect(masked(masker, text, cuts)).toBe(wanted)
        expect(masker.text(text)).toBe(wanted)
      }),
      { numRuns: CASES }
    )
  })

  test('base64 shows nothing of a value, whatever stands around it', () => {
    const around = fc.string({ unit: 'grapheme-ascii', maxLength: 9 })
    fc.assert(
      fc.property(value, around, around, filler, places, fc.boolean(), (...drawn) => {
        const [secret, before, after, other, cuts, url] = drawn
        const encoding = url ? 'base64url' : 'base64'
        const said = Buffer.from(before + secret + after).toString(encoding)
        const shown = masked(new Masker([bytesOf(secret)]), other + said + other, cuts)

        const inside = shown.slice(other.length, shown.length - other.length)
        const lead = Math.ceil((Buffer.byteLength(before) * 8) / 6)
        const tail = said.length - Math.floor((Buffer.byteLength(before + secret) * 8) / 6)
        expect(shown.startsWith(other) && shown.endsWith(other)).toBe(true)
        expect(inside).toBe(said.slice(0, lead) + MASK + said.slice(said.length - tail))
      }),
      { numRuns: CASES }
    )
  })
})

test('what overlaps, repeats or goes on is masked as if it had come in one piece', () => {
  const word = (min: number, max: number) =>
    fc.string({ unit: fc.constantFrom('a', 'b'), minLength: min, maxLength: max })
  fc.assert(
    fc.property(
      fc.array(word(4, 14), { minLength: 1, maxLength: 4 }),
      word(0, 80),
      places,
      (...drawn) => {
        const [secrets, text, cuts] = drawn
        const isMasked = Array.from(text, () => false)
        for (const secret of secrets) {
          for (let at = text.indexOf(secret); at >= 0; at = text.indexOf(secret, at + 1)) {
            isMasked.fill(true, at, at + secret.length)
          }
        }
        const marked = Array.from(text, (letter, at) => (isMasked[at] ? '#' : letter)).join('')

        expect(masked(new Masker(secrets.map(bytesOf)), text, cuts)).toBe(
          marked.replaceAll(/#+/g, MASK)
        )
      }
    ),
    { numRuns: 2_000 }
  )
})

test('each line of a key is masked on its own, and a text keeps its lines', () => {
  const key = '-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA\n\nab\n-----END KEY-----\n'
  const masker = new Masker([bytesOf(key)])

  expect(masked(masker, `+ ${key}`)).toBe('+ ***\n***\n\n***\n***\n')
  expect(masked(masker, 'line: MIIEpAIBAAKCAQEA, ab')).toBe('line: ***, ab')
})

test('base64 that a program broke into lines is masked', () => {
  const secret = Buffer.from('0123456789abcdefghijklmnopqrstuvwxyz'.repeat(5))
  const masker = new Masker([secret])
  const lines = secret.toString('base64').match(/.{1,76}/g) ?? []

  expect(lines.length).toBeGreaterThan(2)
  expect(masked(masker, lines.slice(0, -1).join('\n'))).toBe(
    lines
      .slice(0, -1)
      .map(() => MASK)
      .join('\n')
  )
})

test('only what may still become a secret is kept back', () => {
  const stream = new Masker([bytesOf('hunter22')]).stream()
  const push = (text: string): string => Buffer.from(stream.push(bytesOf(text))).toString()

  expect(push('see: hunt')).toBe('see: ')
  expect(push('ing')).toBe('hunting')
  expect(push(' hunter2')).toBe(' ')
  expect(push('2')).toBe('***')
  expect(push('.')).toBe('.')
  expect(stream.finish()).toHaveLength(0)
})

// A step that waited for somebody to read what it had said was waited for itself.
test('what follows a secret in one chunk is shown at once, and not with the next one', () => {
  fc.assert(
    fc.property(values, fc.nat(), (secrets, which) => {
      const stream = new Masker(secrets.map(bytesOf)).stream()
      const secret = secrets[which % secrets.length] ?? ''
      const shown = Buffer.from(stream.push(bytesOf(`a ${secret}\n\u0001 said\n\u0001`)))
      expect(shown.toString('utf8')).toMatch(/ said\n\u0001$/)
    }),
    { numRuns: CASES }
  )
})

test('a secret whose start repeats inside it is found after a false start', () => {
  expect(masked(new Masker([bytesOf('ababc')]), 'abababc', [0.6])).toBe('ab***')
})

test('without secrets every byte passes as it is', () => {
  const masker = new Masker([])
  expect(masked(masker, 'abc')).toBe('abc')
  expect(masker.text('abc')).toBe('abc')
})
