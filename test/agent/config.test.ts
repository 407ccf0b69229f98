import { writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { type AgentSettings, loadAgentSettings } from '../../agent/config.ts'
import { HOST_JOBS_MAX } from '../../protocol/core/placement-limits.ts'
import { temporaryFolder } from '../support/store-folder.ts'

let file: string
beforeEach(async () => {
  file = join(await temporaryFolder(), 'agent.yaml')
})

interface Layers {
  readonly text?: string
  readonly env?: Readonly<Record<string, string>>
  readonly flags?: Readonly<Record<string, unknown>>
  readonly fileRequired?: boolean
}

async function load({ text, env = {}, flags = {}, fileRequired = false }: Layers) {
  if (text !== undefined) await writeFile(file, text)
  return await loadAgentSettings({ file, fileRequired, flags, env })
}

async function problem(layers: Layers): Promise<string> {
  return await load(layers).then(
    () => 'taken',
    (error: unknown) => (error as Error).message
  )
}

test('with nothing said an agent listens everywhere, under the name of its host', async () => {
  const { values, origins } = await load({})

  expect(values).toEqual({
    name: hostname().split('.')[0] || 'agent',
    listen: ['/ip4/0.0.0.0/tcp/4471'],
    announce: [],
    engine: undefined,
    busybox: '/bin/busybox',
    capacity: {},
    cost: 1,
    labels: {},
    network: {
      rules: 'off',
      offer: ['internet'],
      subnets: '10.213.0.0/16',
      dns: ['1.1.1.1', '9.9.9.9'],
      deny: []
    },
    isolation: {},
    builder: 'off',
    images: { pull: 'missing', cleanAbove: 80, cleanTo: 70 },
    disk: { limit: 'auto' },
    orders: 'take',
    policy: { pinned: false, untrusted: 'take' },
    gpus: { ignore: [], shares: {}, untrusted: 'refuse' },
    metrics: {},
    gossip: true,
    lifeline: 'own',
    logLevel: 'info'
  })
  expect(new Set(Object.values(origins))).toEqual(new Set(['default']))
})

const NEVER = { pull: 'never', cleanAbove: 50, cleanTo: 9 }
const ADDRESS = '/ip4/10.0.0.7/tcp/4471'

/** Each setting as the file, and where there is one the environment, writes it. */
test.each<[keyof AgentSettings, string, [string, string] | undefined, unknown]>([
  ['name', 'onyx', ['MESH_NAME', 'onyx'], 'onyx'],
  ['listen', `[${ADDRESS}]`, ['MESH_LISTEN', `[${ADDRESS}]`], [ADDRESS]],
  ['announce', `[${ADDRESS}]`, ['MESH_ANNOUNCE', `[${ADDRESS}]`], [ADDRESS]],
  ['engine', '/run/other.sock', ['MESH_ENGINE', '/run/other.sock'], '/run/other.sock'],
  ['busybox', '/opt/busybox', ['MESH_BUSYBOX', '/opt/busybox'], '/opt/busybox'],
  ['images', '{ pull: never, cleanAbove: 50, cleanTo: 9 }', undefined, NEVER],
  ['policy', '{ untrusted: refuse }', undefined, { pinned: false, untrusted: 'refuse' }],
  ['gossip', 'false', ['MESH_GOSSIP', 'false'], false],
  ['lifeline', 'external', ['MESH_LIFELINE', 'external'], 'external'],
  ['logLevel', 'debug', ['MESH_LOG_LEVEL', 'debug'], 'debug'],
  ['labels', '{ site: lab }', undefined, { site: 'lab' }],
  ['builder', 'offer', undefined, 'offer'],
  ['isolation', '{ require: userns }', undefined, { require: 'userns' }],
  ['capacity', '{ jobs: 2 }', undefined, { jobs: 2 }]
])(
  '%s is read from the file and the environment, and says where from',
  async (name, text, variable, value) => {
    const file = await load({ text: `${name}: ${text}\n` })
    expect([file.values[name], file.origins[name]]).toEqual([value, 'file'])

    if (variable === undefined) return
    const env = await load({ text: '', env: Object.fromEntries([variable]) })
    expect([env.values[name], env.origins[name]]).toEqual([value, 'environment'])
  }
)

test.each([
  ['name', 'basalt'],
  ['listen', ['/ip4/127.0.0.1/tcp/1']],
  ['logLevel', 'silent']
] as const)('the flag of %s beats environment and file', async (name, value) => {
  const env = { MESH_NAME: 'other', MESH_LISTEN: `[${ADDRESS}]`, MESH_LOG_LEVEL: 'warn' }
  const text = `name: file\nlisten: [${ADDRESS}]\nlogLevel: error\n`

  const { values, origins } = await load({ text, env, flags: { [name]: value } })

  expect([values[name], origins[name]]).toEqual([value, 'flag'])
})

test("without a setting the engine's own variable names its socket, with one it does not", async () => {
  const env = { DOCKER_HOST: 'unix:///run/user/1/docker.sock' }

  expect((await load({ env })).values.engine).toBe(env.DOCKER_HOST)
  expect((await load({ env, text: 'engine: /run/mine.sock\n' })).values.engine).toBe(
    '/run/mine.sock'
  )
})

test.each([
  ['memory: 512MiB', { memory: 512 * 2 ** 20 }],
  ['memory: 1.5 GiB', { memory: 1.5 * 2 ** 30 }],
  ['memory: 2GB', { memory: 2e9 }],
  ['memory: 1024', { memory: 1_024 }],
  ['cpu: 0.5', { cpu: 0.5 }],
  ['jobs: 3', { jobs: 3 }],
  [`jobs: ${HOST_JOBS_MAX}`, { jobs: HOST_JOBS_MAX }]
])('capacity: { %s }', async (text, capacity) => {
  expect((await load({ text: `capacity: { ${text} }\n` })).values.capacity).toEqual(capacity)
})

test.each<[string, string | RegExp]>([
  ['nmae: onyx', /:1:\d+: nmae:/],
  ['name: onyx\ncapacty: { jobs: 1 }', /:2:\d+: capacty:/],
  ['capacity:\n  cpu: 1\n  job: 1', /:3:\d+: capacity\.job:/],
  ['capacity: { memory: 5 apples }', ':1:21: capacity.memory: use a size such as 512MiB or 8GiB'],
  ['capacity: { jobs: 0 }', 'capacity.jobs:'],
  [`capacity: { jobs: ${HOST_JOBS_MAX + 1} }`, 'capacity.jobs:'],
  ['capacity: { cpu: -1 }', 'capacity.cpu:'],
  ['name: a b', ':1:7: name: use letters, digits, dot, dash and underscore'],
  [`name: ${'x'.repeat(101)}`, 'name: use at most 100 characters'],
  ['listen: []', ':1:9: listen:'],
  ['listen: [/ip4/10.0.0.7/udp/1]', ':1:10: listen.0: use /ip4/ADDRESS/tcp/PORT'],
  ['announce: [10.0.0.7]', 'announce.0: use /ip4/ADDRESS/tcp/PORT'],
  ['busybox: busybox', ':1:10: busybox:'],
  ['network: { rules: pf }', ':1:19: network.rules:'],
  ['network: { offer: [lan] }', 'network.offer.0:'],
  ['network: { subnets: 8.8.0.0/16 }', 'network.subnets: use a block of private addresses'],
  ['network: { subnets: 10.0.0.0/27 }', 'network.subnets: use a block of private addresses'],
  ['network: { subnets: 10.0.0.1/24 }', 'network.subnets: use a block of private addresses'],
  [
    'network: { dns: [169.254.169.254] }',
    'network.dns.0: use an IPv4 address that a job may reach'
  ],
  ['network: { dns: [] }', 'network.dns:'],
  ['network: { deny: [203.0.113.1/24] }', 'network.deny.0: use a block of IPv4 addresses'],
  ['network: { deny: [example.org] }', 'network.deny.0: use a block of IPv4 addresses'],
  ['gossip: maybe', ':1:9: gossip:'],
  ['lifeline: none', ':1:11: lifeline:'],
  ['logLevel: loud', ':1:11: logLevel:'],
  ['isolation: { require: runc }', 'isolation.require:'],
  ['labels: { "a b": c }', 'labels'],
  ['labels: { docker: dind }', 'labels.docker: cannot be set'],
  [`labels: { a: ${'x'.repeat(101)} }`, ':1:14: labels.a:']
])('a wrong setting is refused with its line: %s', async (text, where) => {
  const said = await problem({ text: `${text}\n` })

  if (typeof where === 'string') expect(said).toContain(where)
  else expect(said).toMatch(where)
})

test('a wrong value of the environment or a flag is named as the person knows it', async () => {
  expect(await problem({ env: { MESH_NAME: 'a b' } })).toMatch(/^MESH_NAME: name: use letters/)
  expect(await problem({ flags: { name: 'a b' } })).toMatch(/^--name: name: use letters/)
})

test('a file that was named must be there, one that was not need not', async () => {
  expect(await problem({ fileRequired: true })).toContain('it is ENOENT')
  expect(await problem({})).toBe('taken')
})
