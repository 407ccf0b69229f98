import { createServer, type Server } from 'node:net'
import { networkInterfaces } from 'node:os'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BASE_IMAGE } from '../../deploy/base-image.ts'
import type { ServiceSpec } from '../../protocol/core/run.ts'
import { AttemptRig, type LoggedLine, type RunningAttempt } from '../support/attempt-rig.ts'
import { eventually } from '../support/eventually.ts'
import { clearRules } from './network-bed.ts'

const TEST_MS = 120_000
const MIB = 1_048_576
const METADATA = '169.254.169.254'

let rig: AttemptRig
let host: Server
let port = 0

beforeAll(async () => {
  rig = await AttemptRig.open()
  host = createServer((socket) => socket.end('the host')).on('error', () => undefined)
  await new Promise<void>((resolve) => host.listen(0, '0.0.0.0', resolve))
  port = (host.address() as { port: number }).port
})

afterAll(async () => {
  host.close()
  await rig.close()
})

function service(name: string, script: string, more: Partial<ServiceSpec> = {}): ServiceSpec {
  return {
    name,
    image: BASE_IMAGE,
    env: {},
    secrets: [],
    command: ['sh', '-c', script],
    resources: { cpuMilli: 500, memoryBytes: 64 * MIB },
    ready: { port: undefined, command: undefined, timeoutMs: 30_000 },
    ...more
  }
}

/** Says of each place whether something answers there. */
function tries(places: readonly string[]): string {
  const one = places.map((place) => {
    const [address = '', at = ''] = place.split(' ')
    return `nc -w 2 ${address} ${at} </dev/null >/dev/null 2>&1 && echo "open ${address}"`
  })
  return [...one, 'echo tried'].join('\n')
}

function hostAddresses(): readonly string[] {
  const found = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
  return found.filter(({ family }) => family === 'IPv4').map(({ address }) => address)
}

async function untilSaid(attempt: RunningAttempt, text: string): Promise<void> {
  await eventually(
    `it says ${text}`,
    () => attempt.lines.some((line) => line.text === text),
    30_000
  )
}

const opens = (lines: readonly LoggedLine[]): readonly string[] =>
  lines.map(({ text }) => text).filter((text) => text.includes('open '))

const listen = 'mkdir -p /tmp/www; echo x >/tmp/www/index.html; exec httpd -f -p 80 -h /tmp/www'
const LISTENING = { ready: { port: 80, command: undefined, timeoutMs: 30_000 } }

describe('a service that attacks', { timeout: TEST_MS }, () => {
  test('reaches neither the host, nor metadata, nor the services of a neighbour', async () => {
    const victim = await rig.start({
      spec: { services: [service('victim', listen, LISTENING)] },
      steps: [{ run: 'hostname -i; echo ready; sleep 300' }]
    })
    await untilSaid(victim, 'ready')
    const [place] = Object.values(await placesOf(victim, 'victim'))
    const places = [
      ...[...hostAddresses(), METADATA].map((address) => `${address} ${port}`),
      `${METADATA} 80`,
      `${place?.address} 80`
    ]
    const attacker = await rig.start({
      spec: {
        services: [
          service('own', listen, LISTENING),
          service('evil', `sleep 3\n${tries(['own 80', ...places])}\nsleep 300`)
        ]
      },
      steps: [{ run: `${tries(['own 80', ...places])}\nsleep 300` }]
    })
    await untilSaid(attacker, 'tried')
    await untilSaid(attacker, 'evil | tried')
    for (const attempt of [victim, attacker]) attempt.abort('cancelled')
    await Promise.all([victim.result, attacker.result])

    expect(place?.address).toMatch(/^10\./)
    // Its own neighbour answers, so that the tries are tries.
    expect(new Set(opens(attacker.lines))).toEqual(new Set(['open own', 'evil | open own']))
    expect(await rig.left()).toEqual([])
  })

  test('has no name of a server outside answered where its job may reach nothing', async () => {
    const asks = service('asks', 'nslookup leak.example.com; echo "asked $?"; sleep 300')
    const attempt = await rig.start({ spec: { services: [asks] }, steps: [{ run: 'sleep 300' }] })
    await eventually(
      'it has asked',
      () => attempt.lines.some(({ text }) => text.includes('asked')),
      60_000
    )
    attempt.abort('cancelled')
    await attempt.result
    expect(attempt.lines.map(({ text }) => text)).not.toContain('asks | asked 0')
  })

  test('with a fork bomb ends with its job, and a neighbour runs meanwhile', async () => {
    const bomb = 'bomb() { bomb | bomb & }; echo armed; (bomb) & while :; do :; done'
    const attempt = await rig.start({
      spec: { services: [service('bomb', bomb)] },
      steps: [{ run: 'sleep 300' }]
    })
    await untilSaid(attempt, 'bomb | armed')
    const { result } = await rig.run({ steps: [{ run: 'echo here' }] })
    attempt.abort('cancelled')
    await attempt.result

    expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
    expect(await rig.left()).toEqual([])
  })

  test('has the fields of a job in its container, and none of the source', async () => {
    const plain = service('plain', 'sleep 300')
    const attempt = await rig.start({
      spec: { services: [plain] },
      steps: [{ run: 'echo ready; sleep 300' }]
    })
    await untilSaid(attempt, 'ready')
    const [job, box] = await Promise.all([
      rig.engine.inspect(rig.executor.containerName(attempt.input.jobId)),
      rig.engine.inspect(`${rig.executor.containerName(attempt.input.jobId)}-plain`)
    ])
    attempt.abort('cancelled')
    await attempt.result

    const fields = [
      'CapDrop',
      'CapAdd',
      'SecurityOpt',
      'MaskedPaths',
      'PidsLimit',
      'Privileged',
      'NetworkMode',
      'IpcMode',
      'PidMode',
      'CgroupnsMode',
      'ReadonlyRootfs',
      'Ulimits'
    ]
    for (const field of fields)
      expect(box?.hostConfig[field], field).toEqual(job?.hostConfig[field])
    expect(box?.hostConfig['Memory']).toBe(64 * MIB)
    expect(box?.mounts).not.toContain('/work')
    expect(box?.config['Env']).toEqual(job?.config['Env'])
  })
})

async function placesOf(attempt: RunningAttempt, name: string) {
  const box = `${rig.executor.containerName(attempt.input.jobId)}-${name}`
  return (await rig.engine.inspect(box))?.networks ?? {}
}

describe('a service under the rules of a host', { timeout: TEST_MS }, () => {
  test.each([
    ['none', 'nft'],
    ['internet', 'nft'],
    ['internet', 'iptables']
  ] as const)('is reached under %s by %s, the host is not', async (network, rules) => {
    const settings = { offer: ['internet'], subnets: '10.213.0.0/16', dns: ['1.1.1.1'] } as const
    // Each way's rules know its own jobs alone: another's would drop what they let through.
    await clearRules()
    const ruled = await AttemptRig.open({ networks: { ...settings, rules } })
    try {
      const places = ['own 80', ...hostAddresses().map((address) => `${address} ${port}`)]
      const { result, lines } = await ruled.run({
        spec: { network, services: [service('own', listen, LISTENING)] },
        steps: [{ run: tries(places) }]
      })
      expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
      expect(opens(lines)).toEqual(['open own'])
      expect(await ruled.left()).toEqual([])
    } finally {
      await ruled.close()
      await clearRules()
    }
  })
})
