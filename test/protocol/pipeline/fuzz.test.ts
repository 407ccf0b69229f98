import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MESSAGE_BYTES_MAX } from '../../../protocol/core/limits.ts'
import { parsePipeline } from '../../../protocol/pipeline/parse-pipeline.ts'

const utf8 = new TextEncoder()
// Milliseconds in all that a loaded machine may take for ten thousand files.
const TIME = { timeout: 60_000 }
let outcomes = { ok: 0, error: 0 }

/** Never throws, and whatever is wrong has a place in the file, a path and a short message. */
function check(bytes: Uint8Array): void {
  const parsed = parsePipeline(bytes, { file: 'f' })
  outcomes[parsed.kind] += 1
  if (parsed.kind === 'ok') {
    if (parsed.pipeline.jobs.length === 0) throw new Error('good without a job')
    return
  }
  const lineCount = bytes.reduce((count, byte) => count + (byte === 0x0a ? 1 : 0), 1)
  let before = { line: 0, column: 0 }
  for (const { line = 0, column = 0, message, code } of parsed.errors) {
    const isOrdered = line > before.line || (line === before.line && column >= before.column)
    const isPlaced = line >= 1 && line <= lineCount && column >= 1
    const isShort = utf8.encode(message).length <= MESSAGE_BYTES_MAX && !/\p{Cc}/u.test(message)
    if (!isOrdered || !isPlaced || !isShort || code !== 'PIPELINE_INVALID') {
      throw new Error(`bad error: ${line}:${column} of ${lineCount} lines: ${message}`)
    }
    before = { line, column }
  }
  if (parsed.error !== parsed.errors[0]) throw new Error('the first error is another')
}

test('random bytes', TIME, () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), check), { numRuns: 3_000 })
})

const words = fc.constantFrom(
  'jobs',
  'build',
  'steps',
  'run',
  'image',
  'env',
  'on',
  'push',
  'branches',
  'timeout',
  ':',
  ': ',
  '- ',
  '-',
  '\n',
  '\n  ',
  '\n    ',
  ' ',
  '{',
  '}',
  '[',
  ']',
  ',',
  ', ',
  '"',
  "'",
  '|',
  '>',
  '&a ',
  '*a',
  '!x ',
  '# ',
  '? ',
  '<<',
  '~',
  '1',
  'true',
  '\t',
  '\r\n',
  '---\n',
  '...',
  '%YAML 1.2\n',
  'ä'
)

test('the words and signs of pipeline files in any order', TIME, () => {
  const texts = fc.array(words, { maxLength: 40 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(
      texts.map((text) => utf8.encode(text)),
      check
    ),
    { numRuns: 3_000 }
  )
})

const GOOD = `on:
  push: { branches: [main, 'release/*'] }
defaults: &d { image: 'debian:13', timeout: 30m }
jobs:
  build:
    resources: { cpu: 2, memory: 4GiB }
    env: { CI: 'true' }
    steps:
      - name: test
        run: |
          npm ci
          npm test
`

test('a good file with some of its bytes changed, dropped or doubled', TIME, () => {
  const good = utf8.encode(GOOD)
  const edits = fc.array(
    fc.record({
      at: fc.nat(good.length - 1),
      kind: fc.constantFrom('change', 'drop', 'double'),
      byte: fc.oneof(fc.integer({ min: 0x20, max: 0x7e }), fc.nat(0xff))
    }),
    { minLength: 1, maxLength: 4 }
  )
  const edited = edits.map((all) => {
    const bytes: number[][] = [...good].map((byte) => [byte])
    for (const { at, kind, byte } of all) {
      bytes[at] = kind === 'drop' ? [] : kind === 'change' ? [byte] : [byte, byte]
    }
    return new Uint8Array(bytes.flat())
  })
  outcomes = { ok: 0, error: 0 }
  fc.assert(fc.property(edited, check), { numRuns: 2_000 })
  expect(outcomes.ok).toBeGreaterThan(50)
  expect(outcomes.error).toBeGreaterThan(500)
})

const keys = fc.oneof(
  fc.constantFrom('on', 'push', 'defaults', 'jobs', 'build', 'image', 'steps', 'run', 'env', 'cpu'),
  fc.string({ maxLength: 5 })
)

test('any values under any keys', TIME, () => {
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5 },
      fc.constantFrom('x', '', 0, -1, 1.5, true, null, 'none', '30m', '1GiB', 'main'),
      fc.dictionary(keys, tie('tree'), { maxKeys: 4 }),
      fc.array(tie('tree'), { maxLength: 3 })
    )
  }))
  const files = tree.map((value) => utf8.encode(JSON.stringify(value)))
  fc.assert(fc.property(files, check), { numRuns: 2_000 })
})
