import { expect, test } from 'vitest'
import { type Context, contextOf, explainKey, KEYS } from '../../../protocol/pipeline/keys.ts'
import { parsePipeline } from '../../../protocol/pipeline/parse-pipeline.ts'

const utf8 = new TextEncoder()

/** A good file with one more key in one of its maps; JSON is YAML. */
function fileWith(context: Context, key: string, value: unknown): string {
  const step = { run: 'make' }
  const secret = { file: '/run/secrets/a' }
  const service = { image: 'postgres:17', resources: {}, ready: {} }
  const job = {
    image: 'debian:13',
    prefer: { labels: {} },
    concurrency: { group: 'a' },
    resources: { gpu: {} },
    network: { allow: ['10.0.0.1:80'] },
    secrets: { A: secret },
    services: { db: service },
    steps: [step]
  }
  const input = {}
  const schedule = { cron: '17 3 * * *' }
  const on = {
    push: {},
    pull_request: {},
    tag: {},
    manual: { inputs: { target: input } },
    schedule: [schedule]
  }
  const file = { on, defaults: {}, jobs: { build: job, lint: { ...job } } }
  const maps: Record<Context, object> = {
    file,
    on,
    'on.push': on.push,
    'on.pull_request': on.pull_request,
    'on.tag': on.tag,
    'on.manual': on.manual,
    input,
    schedule,
    defaults: file.defaults,
    job,
    resources: job.resources,
    gpu: job.resources.gpu,
    prefer: job.prefer,
    concurrency: job.concurrency,
    secret,
    service,
    'service.resources': service.resources,
    ready: service.ready,
    network: job.network,
    step
  }
  Object.assign(maps[context], { [key]: value })
  return JSON.stringify(file, null, 1)
}

function firstError(file: string): string {
  const parsed = parsePipeline(utf8.encode(file), { file: 'f' })
  return parsed.kind === 'error' ? parsed.error.message : 'no error'
}

const VALUES: Readonly<Record<string, unknown>> = {
  secrets: { A: { file: '/run/secrets/b' } },
  services: { db: { image: 'postgres:17' } },
  ready: { timeout: '30s' },
  command: ['postgres', '-F'],
  port: 5432,
  file: '/run/secrets/a',
  on: { push: {} },
  push: {},
  pull_request: {},
  tag: {},
  manual: {},
  schedule: [{ cron: '17 3 * * *' }],
  paths: ['src/**'],
  tags: ['v*'],
  inputs: { target: {} },
  default: 'staging',
  values: ['staging'],
  required: true,
  cron: '17 3 * * *',
  branch: 'main',
  needs: ['lint'],
  matrix: { node: ['22'] },
  prefer: { labels: { disk: 'nvme' } },
  fallback_after: '5m',
  priority: 5,
  retry: 1,
  concurrency: 'build',
  group: 'build',
  cancel_superseded: true,
  pids: 512,
  gpu: { count: 2 },
  count: 2,
  vendor: 'nvidia',
  model: '*A4000*',
  compute_capability: '8.0',
  gfx: 'gfx942',
  mig: '1g.10gb',
  numa: 'same',
  share: '1/4',
  always: true,
  branches: ['main'],
  defaults: {},
  jobs: { build: { image: 'x', steps: [{ run: 'make' }] } },
  image: 'debian:13',
  platform: 'linux/amd64',
  emulation: 'forbid',
  resources: { cpu: 1 },
  cpu: 1,
  memory: '1GiB',
  labels: { site: 'a' },
  env: { CI: 'true' },
  timeout: '5m',
  on_loss: 'retry',
  network: 'none',
  isolation: 'gvisor',
  builder: true,
  allow: ['10.1.2.3:5432'],
  steps: [{ run: 'make' }],
  name: 'a name',
  run: 'make'
}

const contexts = Object.keys(KEYS) as Context[]
const built = contexts.flatMap((context) =>
  KEYS[context].built.map((key) => [context, key] as const)
)
const later = contexts.flatMap((context) =>
  KEYS[context].later.map((key) => [context, key] as const)
)

// Of these the same name means something else elsewhere.
const OTHER_VALUES: Readonly<Record<string, unknown>> = {
  'on.pull_request.labels': ['ready'],
  'on.pull_request.branches': ['main'],
  'file.jobs': { build: { image: 'x', steps: [{ run: 'make' }] } }
}

test.each(built)('in %s the key %s is taken', (context, key) => {
  const value = OTHER_VALUES[`${context}.${key}`] ?? VALUES[key]
  // Values of an input want a default, or that somebody names one.
  const file = fileWith(context, key, value).replace(
    '"values"',
    key === 'values' ? '"required": true, "values"' : '"values"'
  )
  expect(firstError(file)).toBe('no error')
})

test.each(later)('in %s the key %s is known but not built yet', (context, key) => {
  const error = firstError(fileWith(context, key, {}))
  expect(error).toContain(`\`${key}\` is known but not built yet: remove it`)
})

test.each(contexts)('in %s any other key is an error', (context) => {
  expect(firstError(fileWith(context, 'zzzzzzzz', 1))).toContain('unknown key `zzzzzzzz`')
})

test.each([
  'privileged',
  'cap_add',
  'security_opt',
  'network_mode',
  'pid',
  'ipc',
  'uts',
  'userns',
  'devices',
  'volumes',
  'runtime',
  'sysctls',
  'group_add'
])('%s is refused wherever it stands', (key) => {
  for (const context of contexts) {
    expect(firstError(fileWith(context, key, true))).toContain(`\`${key}\` is refused`)
  }
})

test('maps whose keys are names have no fixed keys', () => {
  for (const path of [['jobs'], ['jobs', 'a', 'env'], ['jobs', 'a', 'labels'], ['x']]) {
    expect(contextOf(path)).toBeUndefined()
  }
  expect(contextOf(['jobs', 'a', 'steps', 3])).toBe('step')
  expect(contextOf(['jobs', 'a', 'steps'])).toBeUndefined()
})

test('a key of any length and kind is quoted short', () => {
  const text = explainKey('job', `${'x'.repeat(10_000)}\n`)
  expect(text.length).toBeLessThan(350)
  expect(text).not.toContain('\n')
})

const EXAMPLE = `
on:
  push: { branches: [main, 'release/*'], paths: ['src/**'] }
  pull_request: {}
  tag: { tags: ['v*'] }
  manual: { inputs: { target: { default: staging, values: [staging, production] } } }
  schedule: [{ cron: '17 3 * * *', branch: main }]
defaults: { image: 'debian:13', timeout: 30m, network: internet }
jobs:
  build:
    needs: []
    matrix: { node: ['22', '24'] }
    platform: linux/amd64
    emulation: allow
    resources: { cpu: 2, memory: 4GiB, disk: 10GiB, pids: 512, gpu: { count: 1 } }
    labels: { site: lab-2 }
    prefer: { labels: { disk: nvme } }
    fallback_after: 5m
    priority: 5
    env: { CI: 'true' }
    secrets: [NPM_TOKEN]
    services: { db: { image: 'postgres:17' } }
    timeout: 30m
    on_loss: retry
    retry: 0
    concurrency: { group: build, cancel_superseded: true }
    steps:
      - { name: install, run: npm ci }
      - { name: test, run: npm test, timeout: 10m, always: false }
    artifacts: { paths: ['dist/**'], keep: 14d }
    cache: { key: npm, paths: ['~/.npm'] }
`

test('of the whole documented file every key is taken or known, none is unknown', () => {
  const parsed = parsePipeline(utf8.encode(EXAMPLE), { file: 'f' })
  const messages = parsed.kind === 'error' ? parsed.errors.map(({ message }) => message) : []
  expect(messages).toHaveLength(2)
  for (const message of messages) expect(message).toContain('known but not built yet')
})
