import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MESSAGE_BYTES_MAX } from '../../../protocol/core/limits.ts'
import { type Pipeline, parsePipeline } from '../../../protocol/pipeline/parse-pipeline.ts'
import { type PipelineEvent, select } from '../../../protocol/pipeline/selection.ts'
import { eventWith, field } from '../../support/pipeline.ts'

const utf8 = new TextEncoder()
// Milliseconds in all that a loaded machine may take.
const TIME = { timeout: 120_000 }
/** Files in all; `PIPELINE_FUZZ_FILES=10000` for a long look. */
const FILES = Number(process.env['PIPELINE_FUZZ_FILES'] ?? 2_000)
const share = (part: number): { readonly numRuns: number } => ({ numRuns: Math.ceil(FILES * part) })
let outcomes = { ok: 0, error: 0 }

/** What an event says is anybody's. */
const EVENTS: readonly PipelineEvent[] = [
  eventWith(),
  eventWith({
    branch: 'x'.repeat(2_000),
    author: '\u001b]0;\ud800',
    changedPaths: ['a/'.repeat(500)]
  }),
  eventWith({ kind: 'pull_request', number: '7', labels: ['ready'], branch: '' }),
  eventWith({ kind: 'tag', tag: field('matrix.a'), branch: '' }),
  eventWith({ kind: 'manual', inputs: { target: '\0', constructor: 'x' } }),
  eventWith({ kind: 'schedule' })
]

function start(pipeline: Pipeline): void {
  for (const event of EVENTS) {
    const selection = select(pipeline, event)
    if (selection.kind === 'run' && selection.jobs.length === 0) throw new Error('no job')
    if (selection.kind !== 'error') continue
    const { code, line, message } = selection.error
    if (!/^(PIPELINE|INPUT)_INVALID$/.test(code) || line === undefined || /\p{Cc}/u.test(message)) {
      throw new Error(`bad error: ${message}`)
    }
  }
}

/** Never throws, and whatever is wrong has a place in the file, a path and a short message. */
function check(bytes: Uint8Array): void {
  const parsed = parsePipeline(bytes, { file: 'f' })
  outcomes[parsed.kind] += 1
  if (parsed.kind === 'ok') {
    start(parsed.pipeline)
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
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), check), share(0.1))
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
    share(0.15)
  )
})

const GOOD = `on:
  push: { branches: [main, 'release/*'], paths: ['**', '!docs/**'] }
  pull_request: { labels: [ready] }
  manual: { inputs: { target: { default: a, values: [a, b] } } }
  schedule: [{ cron: '17 3 * * 1-5', branch: main }]
defaults: &d { image: 'debian:13', timeout: 30m }
jobs:
  lint: { steps: [{ run: make lint }] }
  build:
    needs: [lint]
    matrix: { platform: [linux/amd64, linux/arm64], v: [22, 24], exclude: [{ v: 22 }] }
    image: 'node:${field('matrix.v')}'
    resources: { cpu: 2, memory: 4GiB, pids: 64 }
    env: { CI: 'true', B: '${field('event.branch')}-${field('inputs.target')}' }
    concurrency: { group: 'g-${field('platform')}', cancel_superseded: true }
    prefer: { labels: { disk: nvme } }
    fallback_after: 5m
    steps:
      - name: test ${field('event.author')}
        always: true
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
  fc.assert(fc.property(edited, check), share(0.3))
  expect(outcomes.ok).toBeGreaterThan(FILES / 200)
  expect(outcomes.error).toBeGreaterThan(FILES / 10)
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
  fc.assert(fc.property(files, check), share(0.15))
})

/** Values for each key, good ones and others, so that many files are good as a whole. */
const fields = fc.constantFrom('event.branch', 'event.tag', 'matrix.a', 'inputs.target', 'platform')
const texts = fc.oneof(
  fc.constantFrom('x', 'a b', '', '22', 'node:24', '**'),
  fields.map((name) => `v-${field(name)}`),
  fc.string({ maxLength: 8 })
)
const axis = fc.array(fc.oneof(texts, fc.integer(), fc.constant(1.5)), { maxLength: 5 })
const jobKeys = {
  needs: fc.array(fc.constantFrom('j0', 'j1', 'zz'), { maxLength: 3 }),
  matrix: fc.dictionary(fc.constantFrom('a', 'b', 'platform', 'exclude', 'include'), axis),
  image: texts,
  env: fc.dictionary(fc.constantFrom('A', 'B', 'LD_PRELOAD'), texts, { maxKeys: 2 }),
  labels: fc.dictionary(fc.constantFrom('site', 'a b'), texts, { maxKeys: 2 }),
  concurrency: fc.oneof(texts, fc.record({ group: texts })),
  priority: fc.integer({ min: -12, max: 12 }),
  retry: fc.integer({ min: -1, max: 6 }),
  services: fc.record({ db: fc.record({ image: texts }) }),
  platform: fc.constantFrom('linux/amd64', 'amd64')
}
// With all of them at once hardly a file would be good.
const fewKeys = fc
  .tuple(fc.record(jobKeys), fc.subarray(Object.keys(jobKeys), { maxLength: 2 }))
  .map(([all, keys]) =>
    Object.fromEntries(Object.entries(all).filter(([key]) => keys.includes(key)))
  )
const structured = fc.array(fewKeys, { minLength: 1, maxLength: 2 }).map((list) => {
  const jobs = list.map((job, index) => [
    `j${index}`,
    { image: 'x', ...job, steps: [{ run: 'make' }] }
  ])
  return {
    on: { push: {}, tag: {}, manual: { inputs: { target: {} } } },
    jobs: Object.fromEntries(jobs)
  }
})

test('jobs with any values under the keys that they have', TIME, () => {
  outcomes = { ok: 0, error: 0 }
  const files = structured.map((file) => utf8.encode(JSON.stringify(file)))
  fc.assert(fc.property(files, check), share(0.3))
  expect(outcomes.ok).toBeGreaterThan(FILES / 100)
  expect(outcomes.error).toBeGreaterThan(FILES / 20)
})

const JOB = 'steps: [{ run: make }] }'
const many = (count: number, text: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => text(index)).join(', ')
const bigAxes = many(8, (axisIndex) => `a${axisIndex}: [${many(200, String)}]`)
const doubled = many(24, (level) => `x${level + 1}: &x${level + 1} [*x${level}, *x${level}]`)

test.each([
  ['a matrix of 200^8 jobs', `jobs: { b: { image: x, matrix: { ${bigAxes} }, ${JOB} }`],
  [
    'a matrix of 1024 combinations in each of 50 jobs, by an alias',
    `jobs: { j: { image: x, matrix: &m { a: [${many(32, String)}], b: [${many(32, String)}] }, ${JOB}, ` +
      `${many(49, (index) => `j${index}: { image: x, matrix: *m, ${JOB}`)} }`
  ],
  [
    'aliases that double 24 times, as a matrix',
    `jobs: { b: { image: x, matrix: { x0: &x0 [1], ${doubled} }, ${JOB} }`
  ],
  ['aliases that double 24 times, as a key', `on: { x0: &x0 [1], ${doubled} }\njobs: {}`],
  [
    'needs of all by all',
    `jobs: { ${many(256, (job) => `j${job}: { image: x, needs: [${many(64, (need) => `j${need}`)}], ${JOB}`)} }`
  ],
  [
    '256 jobs that need 100 unknown ones',
    `jobs: { ${many(256, (job) => `${'n'.repeat(60)}${job}: { image: x, needs: &n${job} [${many(100, (need) => `${'m'.repeat(5)}${need}`)}], ${JOB}`)} }`
  ],
  [
    '10 000 fields in one text',
    `jobs: { b: { image: x, env: { A: '${field('event.author').repeat(10_000)}' }, ${JOB} }`
  ],
  [
    '10 000 unknown fields',
    `jobs: { b: { image: x, env: { A: '${many(10_000, (index) => field(`event.x${index}`))}' }, ${JOB} }`
  ],
  [
    'a field without an end, 50 000 times',
    `jobs: { b: { image: x, env: { A: '${field('a').slice(0, 3).repeat(50_000)}' }, ${JOB} }`
  ],
  [
    '64 patterns of nothing but stars',
    `on: { push: { paths: [${many(64, () => `'${'**/'.repeat(80)}a'`)}] } }\njobs: { b: { image: x, ${JOB} }`
  ],
  [
    'a pattern of 63 times **',
    `on: { push: { paths: ['${'**/'.repeat(63)}a'] } }\njobs: { b: { image: x, ${JOB} }`
  ],
  ['an image that almost is one', `jobs: { b: { image: '${'a-'.repeat(5_000)}', ${JOB} }`],
  [
    'a cron of 100 000 characters',
    `on: { schedule: [{ cron: '${'1,'.repeat(50_000)}' }] }\njobs: { b: { image: x, ${JOB} }`
  ],
  [
    'a job of the largest script, 256 times',
    `jobs: { b: { image: x, matrix: { a: [${many(256, String)}] }, env: { A: '${field('event.branch')}' }, steps: [{ run: ${'x'.repeat(65_000)} }] } }`
  ],
  [
    'thousands of fields beside thousands of inputs',
    `on: { manual: { inputs: { ${many(9_000, (index) => `a${index}: {}`)} } } }\n` +
      `jobs: { b: { image: x, env: { ${many(4_000, (index) => `A${index}: '${field('inputs.a8')}'`)} }, ${JOB} }`
  ],
  [
    'a map of thousands in each of 50 jobs, by an alias',
    `jobs: { j: { image: x, env: &e { ${many(8_000, (index) => `A${index}: a`)} }, ${JOB}, ` +
      `${many(49, (index) => `j${index}: { image: x, env: *e, ${JOB}`)} }`
  ],
  ['200 levels', `jobs: ${'{ a: '.repeat(200)}1${' }'.repeat(200)}`]
])('no file takes long: %s', TIME, (_what, file) => {
  const startMs = performance.now()
  check(utf8.encode(file))
  // Some milliseconds each; the rest is for a machine that does much else.
  expect(performance.now() - startMs).toBeLessThan(10_000)
})
