import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AttemptInput } from '../../agent/execute/attempt.ts'
import { EGRESS_PORT } from '../../protocol/core/egress-limits.ts'
import type { NetworkPolicy } from '../../protocol/core/network.ts'
import { parsePipeline } from '../../protocol/pipeline/parse-pipeline.ts'
import type { AttemptProgress } from '../../protocol/store/attempt-store.ts'
import { AttemptRig, type LoggedLine } from '../support/attempt-rig.ts'
import { eventually } from '../support/eventually.ts'
import type { ChildNetwork } from '../support/restarted-child.ts'
import { NetworkBed, WORLD } from './network-bed.ts'

const SET_UP_MS = 120_000
const TEST_MS = 90_000
const NETWORKS = {
  rules: 'nft',
  offer: ['internet'],
  subnets: '10.213.0.0/16',
  dns: [WORLD.lan]
} as const
const CHILD = resolve(import.meta.dirname, '..', 'support', 'restarted-child.ts')

/** The bed's name server knows the address that such a name spells. */
const nameOf = (address: string): string => `ip-${address.replaceAll('.', '-')}.example`

/** In a job's script: `$P` is its proxy, as a program that looks for it finds it. */
const PROXY = "P=$(echo $http_proxy | sed 's,http://,,;s,:, ,')"
const answered = "grep -qE '^(here|host)$'"
/** A fetch in full, from what is connected at the other end. */
const fetch = (place: string): string =>
  `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 ${place.replace(':', ' ')} | ${answered}`
const byTunnel = (to: string): string =>
  `printf 'CONNECT ${to} HTTP/1.1\\r\\n\\r\\nGET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 $P | ${answered}`
/** It holds its side open: to Node a client that ends it has gone. */
const byForward = (to: string): string =>
  `{ printf 'GET http://${to}/ HTTP/1.0\\r\\n\\r\\n'; sleep 2; } | nc -w 3 $P | ${answered}`

let bed: NetworkBed
let rig: AttemptRig
let host: string
let listed: NetworkPolicy
let tries: Readonly<Record<string, string>>

beforeAll(async () => {
  bed = await NetworkBed.open()
  rig = await AttemptRig.open({ networks: NETWORKS })
  host = (await bed.hostAddresses())[0] ?? ''
  const hostName = `${nameOf(host)}:${bed.hostPort}`
  const names = [WORLD.internet, WORLD.metadata, WORLD.otherMetadata, WORLD.lan].map(nameOf)
  listed = {
    allow: [
      ...names.map((name) => `${name}:1-65535`),
      hostName,
      '*.wild.example:80',
      `${WORLD.otherInternet}:443`
    ]
  }
  const gateway = "$(ip route | sed -n 's/^default via \\([0-9.]*\\).*/\\1/p')"
  tries = {
    'a listed name by a tunnel': byTunnel(`${nameOf(WORLD.internet)}:80`),
    'a listed name by a plain request': byForward(nameOf(WORLD.internet)),
    'a listed name by a program of its own': `wget -q -O - http://${nameOf(WORLD.internet)}/ | ${answered}`,
    'a name below a wildcard': byTunnel('deep.wild.example:80'),
    'a listed address': fetch(`${WORLD.otherInternet}:443`),
    'a listed address by the proxy': byTunnel(`${WORLD.otherInternet}:443`),
    'another name': byTunnel(`${nameOf(WORLD.otherInternet)}:80`),
    'the name of a wildcard itself': byTunnel('wild.example:80'),
    'the address of a listed name': fetch(`${WORLD.internet}:80`),
    'the address of a listed name by the proxy': byTunnel(`${WORLD.internet}:80`),
    'another address by the proxy': byForward(WORLD.otherInternet),
    'a name that leads to metadata': byTunnel(`${nameOf(WORLD.metadata)}:80`),
    'a name that leads to other metadata': byForward(nameOf(WORLD.otherMetadata)),
    'a name that leads to the LAN': byTunnel(`${nameOf(WORLD.lan)}:5432`),
    'a name that leads to the host': byTunnel(hostName),
    'mail by a listed name': byTunnel(`${nameOf(WORLD.internet)}:25`),
    metadata: fetch(`${WORLD.metadata}:80`),
    'the LAN': fetch(`${WORLD.lan}:80`),
    'the host': fetch(`${host}:${bed.hostPort}`),
    'the host by its bridge': fetch(`${gateway}:${bed.hostPort}`),
    'a neighbour': fetch(`${host}:${bed.neighbourPort}`),
    'a name server': `nslookup a.example ${WORLD.lan} 2>&1 | grep -q 1.2.3.4`,
    'any name server': 'nslookup a.example 2>&1 | grep -q 1.2.3.4'
  }
}, SET_UP_MS)

afterAll(async () => {
  await rig?.close()
  await bed?.close()
})

async function reached(network: NetworkPolicy) {
  const each = Object.entries(tries).map(
    ([name, command]) => `(${command} 2>/dev/null && echo "reached ${name}") &`
  )
  const run = [PROXY, ...each, 'wait'].join('\n')
  const { result, lines } = await rig.run({ steps: [{ run }], spec: { network } })
  expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
  const texts = lines.filter(({ stream }) => stream !== 'mesh').map(({ text }) => text)
  const names = texts.map((text) => /^reached (.*)$/.exec(text)?.[1]).filter(Boolean)
  return { reached: names.sort(), said: saidIn(lines) }
}

function saidIn(lines: readonly LoggedLine[]): readonly string[] {
  return lines.filter(({ text }) => text.startsWith('network: ')).map(({ text }) => text)
}

describe('a stranger with a list of names', { timeout: TEST_MS }, () => {
  test('reaches what they name, as far as it is public, and nothing else', async () => {
    const { reached: names, said } = await reached(listed)

    expect(names).toEqual([
      'a listed address',
      'a listed address by the proxy',
      'a listed name by a plain request',
      'a listed name by a program of its own',
      'a listed name by a tunnel',
      'a name below a wildcard'
    ])
    expect(said).toContain(`network: allowed ${nameOf(WORLD.internet)}:80 at ${WORLD.internet}`)
    expect(said).toContain(
      `network: refused ${nameOf(WORLD.otherInternet)}:80: it is not in the list`
    )
    expect(said).toContainEqual(
      expect.stringContaining(
        `refused ${nameOf(WORLD.metadata)}:80: ${WORLD.metadata} is not public`
      )
    )
    expect(said).toContainEqual(expect.stringMatching(/: \S+ is (this host|not public)/))
    expect(said.at(-1)).toMatch(/^network: \d+ connections allowed, \d+ refused$/)
    expect(await rig.left()).toEqual([])
  })

  test('of whom nothing is known is told in the end what such a list would be', async () => {
    const { reached: names, said } = await reached('audit')

    expect(names).toEqual([
      'a listed address by the proxy',
      'a listed name by a plain request',
      'a listed name by a program of its own',
      'a listed name by a tunnel',
      'a name below a wildcard',
      'another address by the proxy',
      'another name',
      'the address of a listed name by the proxy',
      'the name of a wildcard itself'
    ])
    const job = `jobs:\n  build:\n    image: x\n    ${said.at(-1)}\n    steps: [run: make]\n`
    expect(parsePipeline(new TextEncoder().encode(job), { file: 'f' })).toMatchObject({
      pipeline: {
        fixed: [
          {
            network: {
              allow: [
                `${WORLD.internet}:80`,
                `${WORLD.otherInternet}:443`,
                `${WORLD.otherInternet}:80`,
                'deep.wild.example:80',
                `${nameOf(WORLD.internet)}:80`,
                `${nameOf(WORLD.otherInternet)}:80`,
                'wild.example:80'
              ]
            }
          }
        ]
      }
    })
  })

  test('finds no proxy but its own, and nobody else finds that', async () => {
    const show = { run: `${PROXY}\necho "$P"; sleep 60` }
    const one = await rig.start({ steps: [show], spec: { network: listed } })
    await eventually('it has a proxy', () => one.lines.some(({ text }) => /^10\./.test(text)))
    const place = one.lines.find(({ text }) => /^10\./.test(text))?.text ?? ''
    const [address = '', port = ''] = place.split(' ')
    const request = `CONNECT ${nameOf(WORLD.internet)}:80 HTTP/1.1\\r\\n\\r\\n`
    const ask = `printf '${request}' | nc -w 3 ${place} | grep -q HTTP && echo answered || echo silent`
    const other = await rig.run({ steps: [{ run: ask }], spec: { network: listed } })
    const plain = await rig.run({ steps: [{ run: ask }], spec: { network: 'internet' } })
    const container = await bed.underDefaults(ask)
    const own = await answerTo(address, Number(port))
    one.abort('cancelled')
    await one.result

    expect(Number(port)).toBe(EGRESS_PORT)
    expect(outOf(other.lines)).toEqual(['silent'])
    expect(outOf(plain.lines)).toEqual(['silent'])
    expect(container.trim()).toBe('silent')
    expect(own).toBe('')
    expect(await rig.left()).toEqual([])
  })
})

describe('an agent that is killed under a job with names', { timeout: TEST_MS }, () => {
  test('leaves it with nothing, and its proxy is back where it was once the agent is', async () => {
    const fetched = byTunnel(`${nameOf(WORLD.internet)}:80`)
    const run = [
      PROXY,
      `f() { ${fetched}; }`,
      'f && echo first; while f; do sleep 0.2; done; echo closed',
      'until f; do sleep 0.2; done; echo second'
    ].join('\n')
    const peerId = `test-${randomBytes(8).toString('hex')}`
    const given: ChildNetwork = { networks: NETWORKS, network: listed }
    const begun = await killedAt('first', [
      peerId,
      JSON.stringify([{ run }]),
      JSON.stringify(given)
    ])
    const next = await AttemptRig.open({ peerId, root: begun.root, networks: NETWORKS })
    try {
      const { jobId, claimId, manifest, spec, progress } = begun
      const resume = { progress, logged: { out: 1, err: 0 } }
      const attempt = await next.start({ jobId, begun: { claimId, manifest, spec, resume } })
      const result = await attempt.result

      expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
      expect(outOf(attempt.lines)).toEqual(['closed', 'second'])
      expect(saidIn(attempt.lines)[0]).toMatch(/^network: allowed .*:80 at 1\.2\.3\.4$/)
      expect(await next.left()).toEqual([])
    } finally {
      await next.close()
      await rm(begun.root, { recursive: true, force: true })
    }
  })
})

interface Begun extends Pick<AttemptInput, 'jobId' | 'claimId' | 'manifest' | 'spec'> {
  readonly root: string
  readonly progress: AttemptProgress
}

/** An attempt whose process is killed as soon as its job has said this. */
async function killedAt(
  text: string,
  [peerId = '', steps = '', network = '']: readonly string[]
): Promise<Begun> {
  const args = ['--import', 'tsx', CHILD, peerId, steps, 'trusted', network]
  const child = spawn('node', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let begun: Begun | undefined
  for await (const document of createInterface({ input: child.stdout })) {
    const { line, ...rest } = JSON.parse(document) as { line?: LoggedLine } & Begun
    if (line === undefined) begun = rest
    else if (line.text === text) child.kill('SIGKILL')
  }
  if (begun === undefined) throw new Error('the child ended before a step began')
  return begun
}

function outOf(lines: readonly LoggedLine[]): readonly string[] {
  return lines.filter(({ stream }) => stream === 'out').map(({ text }) => text)
}

/** What a process of the host is answered there. */
async function answerTo(host: string, port: number): Promise<string> {
  const socket = connect({ host, port })
  let text = ''
  socket.on('data', (part: Buffer) => {
    text += part.toString('latin1')
  })
  socket.on('error', () => undefined)
  socket.write('CONNECT 1.2.3.4:80 HTTP/1.1\r\n\r\n')
  await once(socket, 'close')
  return text
}
