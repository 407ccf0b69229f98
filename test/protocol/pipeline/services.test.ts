import { expect, test } from 'vitest'
import { parsePipeline } from '../../../protocol/pipeline/parse-pipeline.ts'
import { errorsOf, goodPipeline, jobsOf } from '../../support/pipeline.ts'

function parse(services: string, ...rest: readonly string[]) {
  const job = ['image: debian:13', `services: ${services}`, ...rest, 'steps: [{ run: make }]']
  const text = ['jobs:', '  build:', ...job.map((line) => `    ${line}`)].join('\n')
  return parsePipeline(Buffer.from(text), { file: 'f' })
}

function servicesOf(services: string) {
  const parsed = parse(services)
  if (parsed.kind === 'error') throw new Error(parsed.error.message)
  return jobsOf(parsed.pipeline)[0]?.services
}

function problemOf(services: string, ...rest: readonly string[]): string {
  const parsed = parse(services, ...rest)
  return parsed.kind === 'ok' ? 'none' : parsed.error.message
}

const plain = {
  image: 'postgres:17',
  env: {},
  secrets: [],
  command: undefined,
  resources: { cpuMilli: 1_000, memoryBytes: 2_147_483_648 }
}

test('a service with nothing but an image is ready as soon as it runs', () => {
  const ready = { port: undefined, command: undefined, timeoutMs: 60_000 }
  expect(servicesOf("{ db: { image: 'postgres:17' } }")).toEqual([{ ...plain, name: 'db', ready }])
  expect(servicesOf('{}')).toBeUndefined()
})

test('all that a service may say reaches its spec', () => {
  const words = [
    "image: 'postgres:17', env: { A: x }, secrets: { PW: { file: /run/secrets/pw } }",
    'command: [postgres, -F], resources: { cpu: 0.5, memory: 64MiB }',
    'ready: { port: 5432, timeout: 90s }'
  ]
  expect(servicesOf(`{ db: { ${words.join(', ')} } }`)).toEqual([
    {
      name: 'db',
      image: 'postgres:17',
      env: { A: 'x' },
      secrets: [{ name: 'PW', file: '/run/secrets/pw' }],
      command: ['postgres', '-F'],
      resources: { cpuMilli: 500, memoryBytes: 67_108_864 },
      ready: { port: 5432, command: undefined, timeoutMs: 90_000 }
    }
  ])
  const asked = servicesOf("{ db: { image: 'x', ready: { command: [pg_isready] } } }")
  expect(asked?.[0]?.ready).toEqual({ port: undefined, command: ['pg_isready'], timeoutMs: 60_000 })
})

test.each([
  ['{ Db: { image: x } }', 'is no host name'],
  ['{ db_1: { image: x } }', 'is no host name'],
  ['{ -db: { image: x } }', 'is no host name'],
  ['{ localhost: { image: x } }', "is every host's own name"],
  [`{ ${'a'.repeat(64)}: { image: x } }`, 'is no host name'],
  ['{ db: {} }', 'image'],
  ['{ db: { image: x, steps: [] } }', 'is no key in a service'],
  ['{ db: { image: x, privileged: true } }', '`privileged` is refused'],
  ['{ db: { image: x, volumes: [/] } }', '`volumes` is refused'],
  ['{ db: { image: x, network_mode: host } }', '`network_mode` is refused'],
  ['{ db: { image: x, secrets: { A: {} } } }', 'file'],
  ['{ db: { image: x, secrets: { A: { file: /etc/a } } } }', 'is no place for a secret'],
  ['{ db: { image: x, env: { RUNNER_MESH_X: y } } }', 'the mesh sets these itself'],
  ['{ db: { image: x, command: [] } }', 'is empty'],
  ["{ db: { image: x, command: ['a', ''] } }", 'is empty'],
  ['{ db: { image: x, ready: { port: 0 } } }', 'port'],
  ['{ db: { image: x, ready: { port: 65536 } } }', 'port'],
  ['{ db: { image: x, ready: { port: 1, command: [a] } } }', 'has a port and a command'],
  ['{ db: { image: x, ready: { timeout: 11m } } }', 'at most 600s'],
  [`{ ${Array.from({ length: 9 }, (_, at) => `s${at}: { image: x }`).join(', ')} }`, 'at most 8']
])('%s is refused', (services, words) => {
  expect(problemOf(services)).toContain(words)
})

test('the secrets of a job and its services count together', () => {
  const many = Array.from({ length: 50 }, (_, at) => `A${at}`)
  const db = '{ db: { image: x, secrets: { B: { file: /run/secrets/b } } } }'
  const both = '{ db: { image: x, secrets: { A1: { file: /run/secrets/b } } } }'
  expect(problemOf(db, `secrets: [${many.join(', ')}]`)).toContain('name 51 secrets together')
  expect(problemOf(both, `secrets: [${many.join(', ')}]`)).toBe('none')
})

test('a port alone can be written short', () => {
  const ready = (text: string) =>
    `jobs: { a: { image: x, services: { db: { image: x, ready: ${text} } }, steps: [{ run: make }] } }`
  expect(jobsOf(goodPipeline(ready("'tcp:5432'")))).toEqual(
    jobsOf(goodPipeline(ready('{ port: 5432 }')))
  )
  for (const wrong of ['tcp:0', 'tcp:65536', 'tcp:05', 'udp:53', '5432', 'tcp:']) {
    expect(errorsOf(ready(`'${wrong}'`))[0]).toContain('says nothing: write it as in tcp:5432')
  }
})
