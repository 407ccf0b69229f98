import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AttemptResult } from '../../agent/execute/attempt.ts'
import { BASE_IMAGE } from '../../deploy/base-image.ts'
import type { ServiceSpec } from '../../protocol/core/run.ts'
import { AttemptRig, type LoggedLine } from '../support/attempt-rig.ts'
import { eventually } from '../support/eventually.ts'

const TEST_MS = 120_000
const MIB = 1_048_576

/** Serves one file of its own over HTTP. */
function web(text: string, more: Partial<ServiceSpec> = {}): ServiceSpec {
  const serve = `mkdir -p /tmp/www && echo ${text} >/tmp/www/index.html && echo serving ${text} && exec httpd -f -p 8080 -h /tmp/www`
  return service({ command: ['sh', '-c', serve], ready: ready({ port: 8080 }), ...more })
}

function service(more: Partial<ServiceSpec> = {}): ServiceSpec {
  return {
    name: 'web',
    image: BASE_IMAGE,
    env: {},
    secrets: [],
    command: ['sleep', '600'],
    resources: { cpuMilli: 500, memoryBytes: 32 * MIB },
    ready: ready({}),
    ...more
  }
}

function ready(more: Partial<ServiceSpec['ready']>): ServiceSpec['ready'] {
  return { port: undefined, command: undefined, timeoutMs: 30_000, ...more }
}

function verdict(result: AttemptResult): string {
  if (result.kind === 'interrupted') return `interrupted ${result.reason}: ${result.message}`
  return `${result.outcome.state} ${result.outcome.reason}: ${result.outcome.message}`
}

const texts = (lines: readonly LoggedLine[]): readonly string[] => lines.map(({ text }) => text)

let rig: AttemptRig

beforeAll(async () => {
  rig = await AttemptRig.open()
}, TEST_MS)

afterAll(async () => {
  await rig.close()
})

test(
  'a service is there for the grace of a cancel, and ends with it',
  async () => {
    const tidy = "trap 'sleep 2; wget -q -O - http://web:8080/; exit 0' TERM"
    const attempt = await rig.start({
      spec: { services: [web('mine')] },
      steps: [{ run: `${tidy}; echo ready; while :; do sleep 0.05; done` }],
      graceMs: 30_000
    })
    await eventually('it runs', () => texts(attempt.lines).includes('ready'))
    attempt.abort('cancelled')

    expect(verdict(await attempt.result)).toContain('interrupted cancelled')
    expect(attempt.lines).toContainEqual({ step: 1, stream: 'out', text: 'mine' })
    expect(await rig.left()).toEqual([])
  },
  TEST_MS
)

for (const trust of ['trusted', 'untrusted'] as const) {
  describe(`beside a job that is ${trust}`, () => {
    test(
      'a service is reached by its name, and what it writes is in the log',
      async () => {
        const { result, lines } = await rig.run({
          trust,
          spec: { services: [web('mine')] },
          steps: [{ run: 'wget -q -O - http://web:8080/' }]
        })
        expect(verdict(result)).toContain('succeeded')
        expect(lines).toContainEqual({ step: 1, stream: 'out', text: 'mine' })
        expect(lines).toContainEqual({ step: 0, stream: 'out', text: 'web | serving mine' })
        expect(texts(lines)).toContain('service web is ready on port 8080')
        expect(await rig.left()).toEqual([])
      },
      TEST_MS
    )
  })
}

test(
  'services find each other, have their variables, and none of the job source',
  async () => {
    const asks = service({
      name: 'asks',
      env: { COLOUR: 'green' },
      command: [
        'sh',
        '-c',
        'echo "$COLOUR $(ls /work) $(wget -q -O - http://web:8080/)"; sleep 600'
      ],
      ready: ready({ command: ['sh', '-c', 'wget -q -O - http://web:8080/'] })
    })
    const { result, lines } = await rig.run({ spec: { services: [web('mine'), asks] } })
    expect(verdict(result)).toContain('succeeded')
    await eventually('it has said so', () => texts(lines).some((text) => text.includes('green')))
    expect(texts(lines).find((text) => text.includes('green'))).toMatch(/^asks \| green {2}/)
  },
  TEST_MS
)

test(
  'a service whose port stays closed errors the job, with what it wrote',
  async () => {
    const closed = service({
      command: ['sh', '-c', 'echo I listen nowhere; sleep 600'],
      ready: ready({ port: 81, timeoutMs: 2_000 })
    })
    const { result, lines } = await rig.run({ spec: { services: [closed] } })
    expect(verdict(result)).toContain('errored service_not_ready')
    expect(verdict(result)).toContain('port 81 is closed after 2000 ms')
    expect(texts(lines)).toContain('web | I listen nowhere')
    expect(await rig.left()).toEqual([])
  },
  TEST_MS
)

test.each([
  ['ends', ['sh', '-c', 'echo no such folder; exit 3'], 'ended with exit code 3'],
  ['is no program', ['/no/such/program'], 'ended with exit code 127'],
  ['needs too much memory', ['sh', '-c', 'x=$(tr "\\0" x </dev/zero)'], 'more than its 32 MiB']
])(
  'a service that %s before it is ready errors the job',
  async (_what, command, words) => {
    const { result } = await rig.run({
      spec: { services: [service({ command, ready: ready({ port: 81 }) })] }
    })
    expect(verdict(result)).toContain('errored service_not_ready')
    expect(verdict(result)).toContain(words)
  },
  TEST_MS
)

test(
  'a service that ends while the steps run is said in the log, and the job goes on',
  async () => {
    const { result, lines } = await rig.run({
      spec: {
        services: [
          service({
            command: ['sh', '-c', 'while [ ! -e /tmp/over ]; do sleep 0.1; done; exit 9'],
            name: 'brief',
            ready: ready({ command: ['touch', '/tmp/over'] })
          })
        ]
      },
      steps: [{ run: 'sleep 3' }]
    })
    expect(verdict(result)).toContain('succeeded')
    expect(texts(lines)).toContain('service brief ended with exit code 9')
  },
  TEST_MS
)

test(
  'two jobs with services of one name have each their own',
  async () => {
    const run = (word: string) =>
      rig.run({
        spec: { services: [web(word)] },
        steps: [{ run: 'for i in 1 2 3 4 5; do wget -q -O - http://web:8080/; sleep 0.3; done' }]
      })
    const [one, other] = await Promise.all([run('first'), run('second')])
    const said = ({ lines }: typeof one) =>
      new Set(lines.filter(({ step }) => step === 1).map(({ text }) => text))
    expect(said(one)).toEqual(new Set(['first']))
    expect(said(other)).toEqual(new Set(['second']))
  },
  TEST_MS
)

test(
  'a service gets its secrets as files alone, and its lines are masked',
  async () => {
    const { result, lines } = await rig.run({
      spec: {
        services: [
          service({
            secrets: [{ name: 'PASSWORD', file: '/run/secrets/pw' }],
            command: ['sh', '-c', 'cat /run/secrets/pw; echo; env | grep -c PASSWORD; sleep 600'],
            ready: ready({ command: ['test', '-r', '/run/secrets/pw'] })
          })
        ]
      },
      secrets: { PASSWORD: 'correct-horse' },
      steps: [{ run: 'sleep 1; ls /run/secrets 2>/dev/null | wc -l' }]
    })
    expect(verdict(result)).toContain('succeeded')
    expect(texts(lines).join('\n')).not.toContain('correct-horse')
    expect(texts(lines)).toContain('web | ***')
    expect(texts(lines)).toContain('web | 0')
    expect(lines).toContainEqual({ step: 1, stream: 'out', text: '0' })
  },
  TEST_MS
)

test(
  'a service ends with the lease, though nobody removes it',
  async () => {
    const attempt = await rig.start({
      spec: { services: [web('mine')] },
      steps: [{ run: 'sleep 600' }],
      deadlineInMs: 15_000
    })
    const { result } = { result: await attempt.result }
    expect(verdict(result)).toContain('interrupted lease_lost')
    expect(await rig.left()).toEqual([])
  },
  TEST_MS
)

test(
  'a service that writes without end fills no more of the log than it may',
  async () => {
    const loud = service({ name: 'loud', command: ['yes', 'x'.repeat(200)] })
    const { result, lines } = await rig.run({
      spec: { services: [loud] },
      steps: [{ run: 'sleep 3; echo here' }]
    })
    expect(verdict(result)).toContain('succeeded')
    const bytes = texts(lines)
      .filter((text) => text.startsWith('loud |'))
      .join('\n').length
    expect(bytes).toBeLessThan(1_048_576 + 4_096)
    expect(texts(lines).some((text) => text.includes('no more is kept'))).toBe(true)
    expect(lines).toContainEqual({ step: 1, stream: 'out', text: 'here' })
  },
  TEST_MS
)
