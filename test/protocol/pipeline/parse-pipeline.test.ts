import { expect, test } from 'vitest'
import {
  errorsOf,
  goodPipeline as good,
  jobsOf,
  parseText as parse,
  withJob
} from '../../support/pipeline.ts'

const STEPS = 'steps: [{ run: make }]'

test('the smallest file: one job with everything by default', () => {
  const pipeline = good(withJob(STEPS))
  expect(jobsOf(pipeline)).toEqual([
    {
      index: 0,
      name: 'build',
      image: 'debian:13',
      platform: undefined,
      emulation: 'allow',
      resources: { cpuMilli: 1_000, memoryBytes: 2_147_483_648 },
      labels: {},
      env: {},
      timeoutMs: 3_600_000,
      onLoss: 'retry',
      network: 'none',
      steps: [{ name: 'make', run: 'make', timeoutMs: undefined }]
    }
  ])
})

test('every key that this version takes', () => {
  const pipeline = good(`
on:
  push: { branches: [main, 'release/**'] }
defaults: { image: 'debian:13', timeout: 30m, network: none }
jobs:
  lint:
    steps: [ run: npm run lint ]
  build:
    image: 'node:24-trixie'
    platform: linux/arm64
    resources: { cpu: 2.5, memory: 4GiB }
    labels: { site: lab-2 }
    env: { CI: 'true', EMPTY: '' }
    timeout: 1h30m
    on_loss: error
    network: none
    steps:
      - name: install
        run: |
          npm ci
          npm test
        timeout: 10m
`)
  expect(jobsOf(pipeline)).toMatchObject([
    { index: 0, name: 'lint', image: 'debian:13', timeoutMs: 1_800_000 },
    {
      index: 1,
      name: 'build',
      image: 'node:24-trixie',
      platform: 'linux/arm64',
      resources: { cpuMilli: 2_500, memoryBytes: 4_294_967_296 },
      labels: { site: 'lab-2' },
      env: { CI: 'true', EMPTY: '' },
      timeoutMs: 5_400_000,
      onLoss: 'error',
      steps: [{ name: 'install', run: 'npm ci\nnpm test\n', timeoutMs: 600_000 }]
    }
  ])
})

test('parts may be shared by an alias', () => {
  const pipeline = good(
    'jobs:\n  a: &a { image: x, steps: &s [{ run: make }] }\n  b: *a\n  c: { image: y, steps: *s }'
  )
  expect(jobsOf(pipeline).map(({ name, image }) => [name, image])).toEqual([
    ['a', 'x'],
    ['b', 'x'],
    ['c', 'y']
  ])
})

test.each([
  [
    'a misspelled key',
    withJob('stepz: []'),
    '4:5: jobs.build.stepz: unknown key `stepz`: did you mean `steps`?'
  ],
  [
    'a key in the wrong case',
    withJob(STEPS, 'Env: {}'),
    '5:5: jobs.build.Env: unknown key `Env`: did you mean `env`?'
  ],
  [
    'a misspelled key in a step',
    withJob('steps: [{ rum: x }]'),
    '4:15: jobs.build.steps[0].rum: unknown key `rum`: did you mean `run`?'
  ],
  [
    'a key like nothing we know',
    withJob(STEPS, 'stage: x'),
    '5:5: jobs.build.stage: unknown key `stage`: the keys in a job are image, '
  ],
  [
    'a job key at the top',
    `image: x\n${withJob(STEPS)}`,
    '1:1: image: `image` is no key at the top level: it belongs in `defaults` or in a job'
  ],
  [
    'a misspelled key of a later version',
    withJob(STEPS, 'artifact: [x]'),
    '5:5: jobs.build.artifact: unknown key `artifact`: did you mean `artifacts`? (it is known but not'
  ],
  ['jobs missing', 'on: { push: {} }', '1:1: jobs: is missing: add a map of keys'],
  ['no jobs', 'jobs: {}', '1:7: jobs: has no jobs: add one with an image and steps'],
  ['jobs as a list', 'jobs: []', '1:7: jobs: expected a map of keys, found a list'],
  ['not a map', '- a', '1:1: top level: expected a map of keys, found a list'],
  ['a text', 'hello', '1:1: top level: expected a map of keys, found the text "hello"'],
  [
    'a job that is nothing',
    'jobs:\n  build:',
    '2:9: jobs.build: expected a map of keys, found nothing: fill it in'
  ],
  [
    'no image',
    `jobs:\n  build:\n    ${STEPS}`,
    '2:3: jobs.build: has no image: add `image` here or in `defaults`'
  ],
  ['no steps', withJob('env: {}'), '2:3: jobs.build.steps: is missing: add a list'],
  [
    'an empty list of steps',
    withJob('steps: []'),
    '4:12: jobs.build.steps: has no steps: add one with `run`'
  ],
  [
    'a step without run',
    withJob('steps:', '  - name: x'),
    '5:9: jobs.build.steps[0].run: is missing: add text'
  ],
  [
    'a step that is a text',
    withJob('steps: [make]'),
    '4:13: jobs.build.steps[0]: expected a map of keys, found the text "make"'
  ],
  [
    'an empty script',
    withJob('steps: [{ run: "" }]'),
    '4:20: jobs.build.steps[0].run: is empty: write a command'
  ],
  [
    'a number in env',
    withJob(STEPS, 'env: { NODE: 22.10 }'),
    '5:18: jobs.build.env.NODE: expected text, found the number 22.1: put it in quotes'
  ],
  [
    'true in env',
    withJob(STEPS, 'env: { CI: true }'),
    '5:16: jobs.build.env.CI: expected text, found true: put it in quotes'
  ],
  [
    'a label without a value',
    withJob(STEPS, 'labels: { site: }'),
    '5:21: jobs.build.labels.site: expected text, found nothing'
  ],
  [
    'a bad job name',
    `jobs: { 1st: { image: x, ${STEPS} } }`,
    '1:9: jobs["1st"]: "1st" is no name for a job'
  ],
  [
    'a refused variable',
    withJob(STEPS, 'env: { LD_PRELOAD: x }'),
    `5:12: jobs.build.env.LD_PRELOAD: "LD_PRELOAD" is refused: it would be loaded`
  ],
  [
    'a duration without unit',
    withJob(STEPS, 'timeout: 30'),
    '5:14: jobs.build.timeout: "30" has no unit: write it as in 30m'
  ],
  [
    'a size without unit',
    withJob(STEPS, 'resources: { memory: 512 }'),
    '5:26: jobs.build.resources.memory: "512" has no unit'
  ],
  [
    'too many cores',
    withJob(STEPS, 'resources: { cpu: 5000 }'),
    '5:23: jobs.build.resources.cpu: "5000" is too much: at most 1024'
  ],
  [
    'a misspelled value',
    withJob(STEPS, 'on_loss: retyr'),
    '5:14: jobs.build.on_loss: "retyr": did you mean `retry`?'
  ],
  [
    'another value',
    withJob(STEPS, 'on_loss: ignore'),
    '5:14: jobs.build.on_loss: expected retry or error, found the text "ignore"'
  ],
  [
    'a bad pattern',
    `on: { push: { branches: ['a?'] } }\n${withJob(STEPS)}`,
    '1:26: on.push.branches[0]: "a?" uses more than * and **'
  ],
  [
    'no pattern',
    `on: { push: { branches: [] } }\n${withJob(STEPS)}`,
    '1:25: on.push.branches: selects no branch: leave it out for all'
  ],
  [
    'an event as a text',
    `on: push\n${withJob(STEPS)}`,
    '1:5: on: expected a map of keys, found the text "push"'
  ],
  ['no event', `on: {}\n${withJob(STEPS)}`, '1:5: on: starts nothing: name an event'],
  [
    'an unknown network',
    withJob(STEPS, 'network: lan'),
    '5:14: jobs.build.network: "lan" is no network: write `none`'
  ],
  [
    'the host network',
    withJob(STEPS, 'network: host'),
    '5:14: jobs.build.network: "host" is refused: a job never leaves its sandbox'
  ],
  [
    'a bad platform',
    withJob(STEPS, 'platform: arm64'),
    '5:15: jobs.build.platform: "arm64" is no platform'
  ]
])('%s', (_what, file, problem) => {
  expect(errorsOf(file)[0]).toContain(problem)
})

test('a misspelled key is one mistake, not two', () => {
  expect(errorsOf('jobs: { b: { imgae: a, steps: [{ rum: x }] } }')).toHaveLength(2)
})

test('all errors are listed, the first in the file first', () => {
  const file = withJob('steps:', '  - { run: "" }', '  - { rum: x }', 'cache: [a]', 'timeout: 1')
  expect(errorsOf(file).map((message) => message.split(': ')[1])).toEqual([
    'jobs.build.steps[0].run',
    'jobs.build.steps[1].rum',
    'jobs.build.cache',
    'jobs.build.timeout'
  ])
})

test('what is wrong in one key hides no rule over other keys', () => {
  const rules = ['fallback_after: 5m', "env: { TOKEN: 'x' }", 'secrets: [TOKEN]']
  const pathsOf = (...lines: readonly string[]) =>
    errorsOf(withJob(STEPS, ...lines, ...rules)).map((message) => message.split(': ')[1])
  const found = ['jobs.build.fallback_after', 'jobs.build.secrets']

  expect(pathsOf('timeout: 30')).toEqual(['jobs.build.timeout', ...found])
  expect(pathsOf('on_loss: 5')).toEqual(['jobs.build.on_loss', ...found])
  expect(pathsOf('retry: x')).toEqual(['jobs.build.retry', ...found])
})

test('a rule over keys that cannot be read is left for when they can', () => {
  const file = withJob(STEPS, "env: { TOKEN: 'x' }", 'secrets: 5', 'fallback_after: 5m')

  expect(errorsOf(file).map((message) => message.split(': ')[1])).toEqual(['jobs.build.secrets'])
})

test('a mistake in a shared part is told once', () => {
  const file = 'jobs:\n  a: &a { image: x, steps: [{ run: "" }] }\n  b: *a\n  c: *a'
  expect(errorsOf(file)).toHaveLength(1)
})

test('the first error carries line, column and path for the run', () => {
  const parsed = parse(withJob('stepz: []'))
  expect(parsed.kind === 'error' ? parsed.error : undefined).toEqual({
    code: 'PIPELINE_INVALID',
    message: '.runner-mesh.yml:4:5: jobs.build.stepz: unknown key `stepz`: did you mean `steps`?',
    line: 4,
    column: 5,
    path: 'jobs.build.stepz'
  })
})

test.each([
  [256, 'ok'],
  [257, 'has too many entries: at most 256 are allowed']
])('%d jobs: %s', (count, expected) => {
  const jobs = Array.from({ length: count }, (_, index) => `  j${index}: { ${STEPS} }`)
  const [problem = 'ok'] = errorsOf(`defaults: { image: x }\njobs:\n${jobs.join('\n')}`)
  expect(problem).toContain(expected)
})

test.each([
  ['steps', (n: number) => `steps: [${Array(n).fill('{ run: x }').join(', ')}]`, 64],
  ['variables', (n: number) => `${STEPS}\n    env: { ${entries(n)} }`, 128],
  ['labels', (n: number) => `${STEPS}\n    labels: { ${entries(n)} }`, 32]
])('a job has at most so many %s', (_what, lines, max) => {
  expect(errorsOf(withJob(lines(max)))).toEqual([])
  expect(errorsOf(withJob(lines(max + 1)))[0]).toContain(`too many entries: at most ${max}`)
})

function entries(count: number): string {
  return Array.from({ length: count }, (_, index) => `K${index}: x`).join(', ')
}

test('shared parts that would not fit into one announcement are refused', () => {
  const step = `&s { run: "${'x'.repeat(60_000)}" }`
  const file = (count: number) => withJob(`steps: [${step}${', *s'.repeat(count)}]`)
  expect(errorsOf(file(10))).toEqual([])
  expect(errorsOf(file(20))[0]).toContain('at most 786432 are allowed')
})
