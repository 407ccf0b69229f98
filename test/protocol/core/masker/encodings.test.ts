import { expect, test } from 'vitest'
import {
  asciiJson,
  backslashed,
  base64Core,
  html,
  htmlJson,
  wrapped
} from '../../../../protocol/core/masker/encodings.ts'

const said = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')

test.each([0, 1, 2])('the core of base64 behind %i bytes is in it whatever those are', (before) => {
  const value = Buffer.from('s3cret-väl?')
  const core = said(base64Core(value, before, 'plain'))

  for (const around of ['xyz', '\0\0\0', 'ÿÿÿ']) {
    const lead = Buffer.from(around, 'latin1').subarray(0, before)
    const whole = Buffer.concat([lead, value, Buffer.from(around)]).toString('base64')
    expect(whole).toContain(core)
  }
  expect(core.length).toBeGreaterThanOrEqual(Math.floor((value.length * 8) / 6) - 1)
})

test('JSON of plain ASCII spells each half of a wide character', () => {
  expect(said(asciiJson(Buffer.from('a"ü😀')))).toBe('a\\"\\u00fc\\ud83d\\ude00')
})

test('JSON that is safe in HTML has no tags and no line ends of Unicode', () => {
  expect(said(htmlJson(Buffer.from('a"<b>&\u2028')))).toBe('a\\"\\u003cb\\u003e\\u0026\\u2028')
})

test('HTML spells tags always, and quotes as the program does that wrote it', () => {
  expect(said(html(Buffer.from('<"&\'>'), ['&quot;', '&#39;']))).toBe('&lt;&quot;&amp;&#39;&gt;')
})

test('printf %q puts a backslash before what a shell would read', () => {
  expect(said(backslashed(Buffer.from("a b'c$ü")))).toBe("a\\ b\\'c\\$ü")
})

test('a wrapped value is cut into full lines and the rest, and is whole', () => {
  expect(wrapped(Buffer.from('abcdefg'), 3).map(said)).toEqual(['abc', 'def', 'g', 'abc\ndef\ng'])
})
