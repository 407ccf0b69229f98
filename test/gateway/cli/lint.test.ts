import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { gatewayProgram } from '../../../gateway/cli/program.ts'
import { temporaryFolder } from '../../support/gateway-rig.ts'
import { field } from '../../support/pipeline.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>

beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(() => folder.remove())

interface Linting {
  /** Of the file; undefined leaves it out. */
  readonly text?: string
  readonly stdin?: string
  readonly isTTY?: boolean
}

async function lint({ text, stdin, isTTY }: Linting, ...args: readonly string[]) {
  const said = { out: '', err: '', error: undefined as unknown }
  const file = join(folder.dir, 'pipeline.yml')
  if (text !== undefined) await writeFile(file, text)
  const program = gatewayProgram({
    env: {},
    stdout: { write: (part: string) => (said.out += part), isTTY },
    stderr: { write: (part: string) => (said.err += part) },
    stdin: inputOf(stdin)
  })
  const named = stdin === undefined ? file : '-'
  said.error = await program
    .parseAsync(['node', 'gateway', 'lint', named, ...args])
    .then(() => undefined)
    .catch((error: unknown) => error)
  return { ...said, out: said.out.replaceAll(file, 'FILE'), err: said.err.replaceAll(file, 'FILE') }
}

async function* inputOf(text = '') {
  yield text
}

const GOOD = `on:
  push: { branches: [main], paths: ['src/**'] }
  pull_request: { labels: [ready] }
  tag: { tags: ['v*'] }
  manual: { inputs: { target: { values: [a, b], required: true } } }
jobs:
  lint: { image: 'debian:13', steps: [{ run: make lint }] }
  build:
    needs: [lint]
    matrix: { platform: [linux/amd64, linux/arm64] }
    image: 'app:${field('event.branch')}'
    steps: [{ run: make }]
`
const BAD = `jobs:
  build:
    image: debian:13
    stepz: []
    timeout: 30
    needs: [lnt]
  lint: { image: x, steps: [{ run: 'echo ${field('event.branch')}' }] }
`

test('a good file is told to people alone, with how many jobs it makes', async () => {
  const said = await lint({ text: GOOD })
  expect(said).toEqual({ out: '', err: 'FILE is good: 3 jobs\n', error: undefined })
})

test('every error of a bad file is a line with its place and code, and the exit code is 1', async () => {
  const { out, err, error } = await lint({ text: BAD })
  expect(error).toMatchObject({ name: 'SilentExit', exit: 1 })
  expect(err).toBe('')
  expect(out.split('\n').map((line) => line.slice(0, 58))).toEqual([
    'FILE:4:5: PIPELINE_INVALID: jobs.build.stepz: unknown key ',
    'FILE:5:14: PIPELINE_INVALID: jobs.build.timeout: "30" has ',
    'FILE:6:13: PIPELINE_INVALID: jobs.build.needs[0]: no job "',
    'FILE:7:36: PIPELINE_INVALID: jobs.lint.steps[0].run: "echo',
    ''
  ])
})

test('on a terminal each has its line of the file and a caret below the place', async () => {
  const { out } = await lint({ text: 'jobs:\n\u001b[2J', isTTY: true })
  expect(out).toMatch(/^FILE:2:1: PIPELINE_INVALID: [^\u001b]*\n {4}\[2J\n {4}\^\n$/)
  const bad = await lint({ text: BAD, isTTY: true })
  expect(bad.out).toContain('    stepz: []\n        ^\n')
  const long = await lint({ text: `jobs: {${' '.repeat(500)}a: 1 }`, isTTY: true })
  const [, line = '', caret = ''] = long.out.split('\n')
  expect(line.length).toBeLessThan(90)
  expect(line[caret.indexOf('^')]).toBe('1')
})

test('- is standard input', async () => {
  expect(await lint({ stdin: GOOD })).toMatchObject({ err: 'stdin is good: 3 jobs\n' })
  expect((await lint({ stdin: 'jobs: {}' })).out).toContain('stdin:1:7: PIPELINE_INVALID: jobs: ')
})

test('a file that cannot be read is another error than a bad one', async () => {
  expect((await lint({})).error).toMatchObject({ code: 'PIPELINE_UNREADABLE', kind: { exit: 4 } })
  const program = gatewayProgram({ env: {}, stdout: { write: String }, stderr: { write: String } })
  const inFolder = program.parseAsync(['node', 'gateway', 'lint', folder.dir])
  await expect(inFolder).rejects.toMatchObject({ code: 'PIPELINE_UNREADABLE' })
})

test('a file without an end is refused for its size', async () => {
  const program = (out: string[]) =>
    gatewayProgram({
      env: {},
      stdout: { write: (text) => out.push(text) },
      stderr: { write: () => undefined }
    })
  const out: string[] = []
  const linting = program(out).parseAsync(['node', 'gateway', 'lint', '/dev/zero'])
  await expect(linting).rejects.toMatchObject({ exit: 1 })
  expect(out.join('')).toContain('the file has 262145 bytes, at most 262144 are allowed')
})

test('--event shows the jobs that an event would start', async () => {
  const said = await lint({ text: GOOD }, '--event', 'push', '--branch', 'main')
  expect(said.out).toBe(
    'lint   native   debian:13\n' +
      'build (linux/amd64)   linux/amd64   app:main   after lint\n' +
      'build (linux/arm64)   linux/arm64   app:main   after lint\n'
  )
  expect(said).toMatchObject({ err: '3 jobs would run\n', error: undefined })
})

test.each([
  [['push', '--branch', 'dev'], 'on.push of FILE does not select dev: no run starts\n'],
  [['push', '--changed', 'docs/a'], 'does not select the changed paths: no run starts\n'],
  [['pull_request', '--label', 'a', '--label', 'b'], 'does not select its labels'],
  [['tag', '--tag', 'w1'], 'on.tag of FILE does not select w1'],
  [['schedule'], 'on of FILE has no schedule']
])('an event that starts nothing is said, and no error: %j', async (event, reason) => {
  const said = await lint({ text: GOOD }, '--event', ...event)
  expect(said).toMatchObject({ out: '', error: undefined })
  expect(said.err).toContain(reason)
})

test.each([
  [['manual'], 'FILE:5:23: INPUT_INVALID: input "target" is required'],
  [['manual', '--input', 'target=c'], 'INPUT_INVALID: input "target" is "c": choose one of'],
  [['push', '--branch', 'main', '--author', 'x'], ''],
  [
    ['manual', '--input', 'target=a', '--branch', 'a/B'],
    'FILE:11:12: PIPELINE_INVALID: jobs.build.image'
  ]
])('an event that the file cannot take is an error of the file: %j', async (event, error) => {
  const said = await lint({ text: GOOD }, '--event', ...event)
  if (error === '') expect(said.error).toBeUndefined()
  else expect(said.out).toContain(error)
})

test('--json is one document, good or bad', async () => {
  const bad = await lint({ text: BAD }, '--json')
  const { schema, good, errors } = JSON.parse(bad.out)
  expect([schema, good, errors.length]).toEqual(['gateway.lint/1', false, 4])
  expect(errors[0]).toMatchObject({ code: 'PIPELINE_INVALID', line: 4, column: 5 })
  expect(bad.error).toMatchObject({ exit: 1 })
  const run = await lint({ text: GOOD }, '--json', '--event', 'push')
  expect(JSON.parse(run.out)).toMatchObject({
    good: true,
    jobs: [{ name: 'lint' }, { needs: [0], matrix: { platform: 'linux/amd64' } }, { index: 2 }]
  })
})

test('options of an event without an event are refused', async () => {
  expect((await lint({ text: GOOD }, '--branch', 'a')).error).toMatchObject({ code: 'USAGE' })
  const { error } = await lint({ text: GOOD }, '--event', 'manual', '--input', 'x')
  expect(error).toMatchObject({ code: 'commander.invalidArgument' })
})
