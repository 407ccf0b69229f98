import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LOG_LINE_BYTES_MAX } from '../../../protocol/core/limits.ts'
import { finishLines, NO_LINE, splitLines } from '../../../protocol/core/log-line.ts'

const utf8 = new TextEncoder()

/** What a stream of chunks is split into, with its unfinished end. */
function linesOf(...chunks: readonly (string | Uint8Array)[]): readonly string[] {
  let splitter = NO_LINE
  const lines: string[] = []
  for (const chunk of chunks) {
    const bytes = typeof chunk === 'string' ? utf8.encode(chunk) : chunk
    const [next, found] = splitLines(splitter, bytes)
    splitter = next
    lines.push(...found)
    expect(splitter.kept.length).toBeLessThanOrEqual(LOG_LINE_BYTES_MAX)
  }
  return [...lines, ...finishLines(splitter)]
}

test.each([
  ['nothing', [''], []],
  ['one line', ['a\n'], ['a']],
  ['a last line without an end', ['a\nb'], ['a', 'b']],
  ['empty lines', ['\n\na\n'], ['', '', 'a']],
  ['Windows line ends', ['a\r\nb\r\n'], ['a', 'b']],
  ['a line end split in two', ['a\r', '\nb'], ['a', 'b']],
  ['a doubled carriage return before the line end', ['a\r\r\nb'], ['a', 'b']],
  ['a line in many pieces', ['a', 'b', 'c\nd'], ['abc', 'd']],
  ['progress: only the last state', ['10%\r20%\r100%\n'], ['100%']],
  ['progress over chunks', ['10%', '\r20%', '\r', '100%', '\n'], ['100%']],
  ['progress that never ends its line', ['10%\r20%\r'], ['20%']],
  ['carriage returns and nothing else', ['\r\r\r\n'], ['']],
  ['a lone carriage return at the end', ['\r'], []]
])('%s', (_what, chunks, expected) => {
  expect(linesOf(...chunks)).toEqual(expected)
})

test('a character split between two chunks stays whole', () => {
  const bytes = utf8.encode('ä€😀\n')
  for (let at = 0; at <= bytes.length; at += 1) {
    expect(linesOf(bytes.subarray(0, at), bytes.subarray(at))).toEqual(['ä€😀'])
  }
})

test('bytes that are no UTF-8 are shown as such and hurt no other line', () => {
  expect(linesOf(new Uint8Array([0x61, 0xff, 0x62, 0x0a, 0xc3, 0x0a, 0x63]))).toEqual([
    'a\ufffdb',
    '\ufffd',
    'c'
  ])
})

test('a byte order mark is a byte of the job like any other', () => {
  expect(linesOf('\ufeffa\n')).toEqual(['\ufeffa'])
})

test('a line of exactly the limit is whole, one byte more is cut and marked', () => {
  const line = 'x'.repeat(LOG_LINE_BYTES_MAX)
  expect(linesOf(`${line}\n`)).toEqual([line])

  const [cut = '', next] = linesOf(`${line}y\nz`)
  expect(cut).toMatch(/^x+ \[line cut at 16384 bytes\]$/)
  expect(next).toBe('z')
})

test('a line without an end keeps its start and little memory', () => {
  const chunks = Array.from({ length: 40 }, () => 'x'.repeat(LOG_LINE_BYTES_MAX / 4))
  const [cut = '', ...rest] = linesOf(...chunks)
  expect(rest).toEqual([])
  expect(utf8.encode(cut).length).toBeLessThanOrEqual(LOG_LINE_BYTES_MAX)
})

test('a cut never leaves half a character', () => {
  for (let shift = 0; shift < 4; shift += 1) {
    const [cut = ''] = linesOf(`${'x'.repeat(shift)}${'😀'.repeat(LOG_LINE_BYTES_MAX)}\n`)
    expect(cut).not.toContain('\ufffd')
    expect(/\p{Cs}/u.test(cut)).toBe(false)
  }
})

test('bytes that grow when decoded are measured as they are sent', () => {
  const [cut = ''] = linesOf(new Uint8Array(LOG_LINE_BYTES_MAX).fill(0xff))
  expect(utf8.encode(cut).length).toBeLessThanOrEqual(LOG_LINE_BYTES_MAX)
  expect(cut).toContain('[line cut')
})

test('progress longer than the limit is not cut: what is rewritten does not count', () => {
  expect(linesOf(`${'50%\r'.repeat(LOG_LINE_BYTES_MAX)}done\n`)).toEqual(['done'])
})

const pieces = fc.array(
  fc.constantFrom('a', 'bc', '\n', '\r', '\r\n', 'ä', '😀', 'x'.repeat(100)),
  { maxLength: 40 }
)

test('where the chunks end makes no difference', () => {
  fc.assert(
    fc.property(pieces, fc.array(fc.nat(200), { maxLength: 10 }), (texts, cuts) => {
      const bytes = utf8.encode(texts.join(''))
      const ends = [...new Set([0, ...cuts, bytes.length])].sort((a, b) => a - b)
      const chunks = ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end))
      expect(linesOf(...chunks)).toEqual(linesOf(bytes))
    }),
    { numRuns: 1_000 }
  )
})

test('lines without carriage returns come out as they went in', () => {
  const line = fc.string({ unit: 'grapheme', maxLength: 50 }).filter((text) => !/[\r\n]/.test(text))
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      expect(linesOf(...lines.map((text) => `${text}\n`))).toEqual(lines)
    })
  )
})

test('no bytes at all make it throw or send more than a line may have', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), (chunks) => {
      for (const line of linesOf(...chunks)) {
        expect(line).not.toMatch(/[\r\n]/)
        expect(utf8.encode(line).length).toBeLessThanOrEqual(LOG_LINE_BYTES_MAX)
      }
    }),
    { numRuns: 1_000 }
  )
})
