import { describe, expect, test } from 'vitest'
import { type PipelineEvent, select } from '../../../protocol/pipeline/selection.ts'
import { errorsOf, eventWith, goodPipeline, withJob } from '../../support/pipeline.ts'

const JOB = withJob('steps: [{ run: make }]')
const fileOf = (on: string): string => (on === '' ? JOB : `on: ${on}\n${JOB}`)
const started = (on: string, facts: Partial<PipelineEvent>) =>
  select(goodPipeline(fileOf(on)), eventWith(facts))

type Row = readonly [on: string, facts: Partial<PipelineEvent>, isRun: boolean]

const PULL = { kind: 'pull_request', number: '7' } as const
const ROWS: readonly Row[] = [
  ['', { branch: 'any/branch' }, true],
  ['', { ...PULL, branch: 'any/branch' }, true],
  ['', { kind: 'tag', branch: '', tag: 'v1' }, false],
  ['', { kind: 'manual' }, false],
  ['', { kind: 'schedule' }, false],
  ['{ push: {} }', { branch: 'any/branch' }, true],
  ['{ push: {} }', PULL, false],
  ["{ push: { branches: [main, 'release/*'] } }", { branch: 'main' }, true],
  ["{ push: { branches: [main, 'release/*'] } }", { branch: 'release/1' }, true],
  ["{ push: { branches: [main, 'release/*'] } }", { branch: 'release/1/2' }, false],
  ["{ push: { branches: ['release/**'] } }", { branch: 'release/1/2' }, true],
  ['{ pull_request: { branches: [main] } }', { ...PULL, branch: 'main' }, true],
  ['{ pull_request: { branches: [main] } }', { ...PULL, branch: 'dev' }, false],
  ['{ pull_request: {} }', {}, false],
  ['{ pull_request: { labels: [ready, urgent] } }', { ...PULL, labels: ['a', 'urgent'] }, true],
  ['{ pull_request: { labels: [ready] } }', { ...PULL, labels: ['Ready'] }, false],
  ['{ pull_request: { labels: [ready] } }', PULL, false],
  ['{ tag: {} }', { kind: 'tag', branch: '', tag: 'any/tag' }, true],
  ["{ tag: { tags: ['v*'] } }", { kind: 'tag', branch: '', tag: 'v1' }, true],
  ["{ tag: { tags: ['v*'] } }", { kind: 'tag', branch: '', tag: 'w1' }, false],
  ["{ schedule: [{ cron: '0 0 * * *' }] }", { kind: 'schedule', branch: 'trunk' }, true],
  ["{ schedule: [{ cron: '0 0 * * *', branch: a }] }", { kind: 'schedule', branch: 'a' }, true],
  ["{ schedule: [{ cron: '0 0 * * *', branch: a }] }", { kind: 'schedule', branch: 'b' }, false],
  ['{ manual: {} }', { kind: 'manual' }, true],
  ["{ push: { paths: ['src/**'] } }", { changedPaths: ['doc/a', 'src/b/c.ts'] }, true],
  ["{ push: { paths: ['src/**'] } }", { changedPaths: ['doc/a'] }, false],
  ["{ push: { paths: ['src/**'] } }", { changedPaths: [] }, false],
  ["{ push: { paths: ['src/**'] } }", { changedPaths: undefined }, true],
  ["{ push: { branches: [dev], paths: ['src/**'] } }", { changedPaths: ['src/a'] }, false],
  ["{ push: { paths: ['**', '!docs/**'] } }", { changedPaths: ['docs/a'] }, false],
  ["{ push: { paths: ['**', '!docs/**'] } }", { changedPaths: ['docs/a', 'a'] }, true],
  ["{ push: { paths: ['**', '!docs/**', docs/a] } }", { changedPaths: ['docs/a'] }, true],
  ["{ pull_request: { paths: ['*.md'] } }", { ...PULL, changedPaths: ['a/b.md'] }, false],
  ["{ pull_request: { paths: ['**/*.md'] } }", { ...PULL, changedPaths: ['a/b.md'] }, true]
]

test.each(ROWS)('on: %s and %j: a run is %s', (on, facts, isRun) => {
  expect(started(on, facts).kind).toBe(isRun ? 'run' : 'ignored')
})

test.each([
  ['{ push: {} }', PULL, 'on of .runner-mesh.yml has no pull_request'],
  ['{ push: { branches: [a] } }', {}, 'on.push of .runner-mesh.yml does not select main'],
  ['{ push: { branches: [a] } }', { branch: 'x\u001b' }, 'does not select x\u001b'],
  ['{ push: { paths: [a] } }', { changedPaths: ['b'] }, 'does not select the changed paths'],
  ['{ pull_request: { labels: [a] } }', PULL, 'does not select one without a label']
])('%s: what is not selected is said', (on, facts, reason) => {
  const selection = started(on, facts)
  expect(selection.kind === 'ignored' ? selection.reason : '').toMatch(/^on.* of .runner-mesh.yml /)
  expect(selection.kind === 'ignored' ? selection.reason : '').toContain(
    JSON.stringify(reason).slice(1, -1)
  )
})

test('a file says whether it asks for paths, and when it wants to be started', () => {
  expect(goodPipeline(JOB)).toMatchObject({ wantsPaths: false, schedules: [] })
  expect(goodPipeline(fileOf('{ pull_request: { paths: [a] } }')).wantsPaths).toBe(true)
  const on = "{ schedule: [{ cron: '17 3 * * *', branch: main }, { cron: '0 0 * * 0' }] }"
  expect(goodPipeline(fileOf(on)).schedules).toEqual([
    { cron: '17 3 * * *', branch: 'main' },
    { cron: '0 0 * * 0', branch: undefined }
  ])
})

describe('the inputs of a manual run', () => {
  const ON =
    '{ manual: { inputs: { target: { default: staging, values: [staging, production] }, ' +
    'note: {}, ticket: { required: true } } } }'
  const inputs = (given: Readonly<Record<string, string>>) =>
    started(ON, { kind: 'manual', inputs: given })

  test('are completed with their defaults', () => {
    expect(inputs({ ticket: '1' })).toMatchObject({
      kind: 'run',
      inputs: { target: 'staging', note: '', ticket: '1' }
    })
    expect(inputs({ ticket: '1', target: 'production', note: 'a\nb' })).toMatchObject({
      inputs: { target: 'production', note: 'a\nb', ticket: '1' }
    })
  })

  test.each([
    [{}, 'input "ticket" is required: give it a value'],
    [{ ticket: '' }, 'input "ticket" is required: give it a value that is not empty'],
    [{ ticket: '1', targt: 'x' }, 'input "targt" is not declared: did you mean `target`?'],
    [{ ticket: '1', zzzzz: 'x' }, 'is not declared: the inputs are target, note, ticket'],
    [{ ticket: '1', constructor: 'x' }, 'input "constructor" is not declared'],
    [{ ticket: '1', target: 'prod' }, 'is "prod": choose one of "staging", "production"'],
    [{ ticket: 'x'.repeat(1_025) }, 'which has 1025 bytes, at most 1024 are allowed'],
    [{ ticket: 'a\0' }, 'which holds a NUL character']
  ])('%j are refused with a code and a place', (given, problem) => {
    const selection = inputs(given as Record<string, string>)
    expect(selection).toMatchObject({ kind: 'error', error: { code: 'INPUT_INVALID', line: 1 } })
    expect(selection.kind === 'error' ? selection.error.message : '').toContain(problem)
  })
})

test.each([
  ['{}', '1:5: on: starts nothing: name an event, or leave `on` out'],
  ['{ pull: {} }', '1:7: on.pull: unknown key `pull`'],
  [
    '{ push: { tags: [a] } }',
    'on.push.tags: `tags` is no key in `on.push`: it belongs in `on.tag`'
  ],
  ["{ push: { paths: ['!a'] } }", 'on.push.paths: begin with one that excludes'],
  ["{ push: { paths: ['/a'] } }", '"/a" can match no path: write it from the root, as in src/**'],
  ["{ push: { paths: ['a/'] } }", '"a/" is a folder, and files change: add ** at its end'],
  ["{ push: { paths: ['../a'] } }", '"../a" can match no path'],
  ["{ push: { paths: ['a?'] } }", '"a?" uses more than * and **'],
  ["{ push: { branches: ['!a'] } }", '"!a" excludes: list the branches that are wanted instead'],
  [
    `{ push: { branches: ['${'a*'.repeat(100)}', '${'*a'.repeat(50)}'] } }`,
    'have 150 stars: at most'
  ],
  ["{ tag: { tags: ['refs/tags/v1'] } }", 'is a ref: write the tag alone, as in v1'],
  ['{ tag: { tags: [] } }', 'on.tag.tags: selects no tag: leave it out for all'],
  ['{ pull_request: { labels: [] } }', 'selects no pull request: leave it out for all'],
  ['{ schedule: [] }', "has no times: add one, as in { cron: '17 3 * * *' }"],
  ["{ schedule: [{ cron: '61 * * * *' }] }", '1:26: on.schedule[0].cron: "61 * * * *" has "61" as'],
  ['{ schedule: [{ branch: main }] }', 'on.schedule[0].cron: is missing: add text'],
  ["{ schedule: [{ cron: '0 0 * * *', branch: 'a*' }] }", '"a*" is a pattern: name one branch'],
  ['{ manual: { inputs: { 1a: {} } } }', '"1a" is no name for an input'],
  ['{ manual: { inputs: { a: { values: [1] } } } }', 'found the number 1: put it in quotes'],
  ['{ manual: { inputs: { a: { values: [x] } } } }', 'add `default` or `required: true`'],
  ['{ manual: { inputs: { a: { default: y, values: [x] } } } }', 'none of its values'],
  ['{ manual: { inputs: { a: { default: y, required: true } } } }', 'remove one of them']
])('on: %s is an error: %s', (on, problem) => {
  expect(errorsOf(fileOf(on))[0]).toContain(problem)
})
