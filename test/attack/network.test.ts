import { execFile } from 'node:child_process'
import { connect } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nftTable } from '../../agent/execute/network/nft.ts'
import type { RuleTable } from '../../agent/execute/network/rule-table.ts'
import type { NetworkPolicy, OfferedNetwork } from '../../protocol/core/network.ts'
import { AttemptRig } from '../support/attempt-rig.ts'
import { eventually } from '../support/eventually.ts'
import { NetworkBed, WORLD } from './network-bed.ts'

const SET_UP_MS = 120_000
const TEST_MS = 60_000
const OFFER = ['internet', 'private', 'open'] as const
const NETWORKS = { offer: OFFER, subnets: '10.213.0.0/16', dns: [WORLD.lan] }
const ALLOW = { allow: [`${WORLD.internet}:80`, '10.9.9.0/24:5432'] }

let bed: NetworkBed
let rig: AttemptRig
let tries: readonly Try[]
let defaults: ReadonlySet<string>
let commit: string

interface Try {
  readonly name: string
  readonly command: string
}

beforeAll(async () => {
  bed = await NetworkBed.open()
  rig = await AttemptRig.open({ networks: NETWORKS })
  tries = await everyTry()
  defaults = reachedIn(await bed.underDefaults(`PING='ping -c 1 -W 2'\n${scriptOf(tries)}`))
  commit = await withPing()
}, SET_UP_MS)

afterAll(async () => {
  await rig?.close()
  await bed?.close()
})

/** What is tried under each policy: connections, a datagram's answer, pings. */
async function everyTry(): Promise<readonly Try[]> {
  // A fetch in full: that a connection is taken may be a proxy's doing.
  const get = (name: string, place: string): Try => {
    const fetch = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 ${place.replace(':', ' ')}`
    return { name, command: `${fetch} | grep -qE '^(here|host)$'` }
  }
  const world = Object.entries(WORLD)
  const hosts = (await bed.hostAddresses()).map((address, index) => ({ address, index }))
  const gateway = "$(ip route | sed -n 's/^default via \\([0-9.]*\\).*/\\1/p')"
  return [
    ...world.map(([name, address]) => get(name, `${address}:80`)),
    get('lan database', `${WORLD.lan}:5432`),
    get('mail', `${WORLD.internet}:25`),
    { name: 'name server', command: `nslookup a.example ${WORLD.lan} 2>&1 | grep -q 1.2.3.4` },
    get('gateway', `${gateway}:${bed.hostPort}`),
    ...hosts.map(({ address, index }) => get(`host ${index}`, `${address}:${bed.hostPort}`)),
    ...hosts.map(({ address, index }) =>
      get(`neighbour ${index}`, `${address}:${bed.neighbourPort}`)
    ),
    ...[...world, ['host', hosts[0]?.address ?? ''] as const].map(([name, address]) => {
      return { name: `ping ${name}`, command: `$PING ${address} >/dev/null` }
    })
  ]
}

/** A commit with a ping that needs no right: an image's own asks for a raw socket. */
async function withPing(): Promise<string> {
  return await rig.git.commitTree(async (dir) => {
    const source = join(import.meta.dirname, 'ping.c')
    const flags = ['-std=gnu11', '-O1', '-static', '-Wall', '-Wextra', '-Werror']
    await promisify(execFile)('cc', [...flags, '-o', join(dir, 'ping'), source])
  })
}

function scriptOf(all: readonly Try[]): string {
  const each = all.map(
    ({ name, command }) => `(${command} 2>/dev/null && echo "reached ${name}") &`
  )
  return [...each, 'wait'].join('\n')
}

function reachedIn(text: string): ReadonlySet<string> {
  return new Set([...text.matchAll(/^reached (.*)$/gm)].map((match) => match[1] ?? ''))
}

/** Sorted names of what a job under this policy reached. */
async function reached(network: NetworkPolicy): Promise<readonly string[]> {
  const run = `PING=./ping\n${scriptOf(tries)}`
  const { result, lines } = await rig.run({ commit, steps: [{ run }], spec: { network } })
  expect(result).toMatchObject({ outcome: { state: 'succeeded' } })
  return [...reachedIn(lines.map(({ text }) => text).join('\n'))].sort()
}

async function nft(...args: string[]): Promise<string> {
  const env = { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` }
  return (await promisify(execFile)('nft', args, { env })).stdout
}

describe('a stranger with a network', { timeout: TEST_MS }, () => {
  test("would reach the host, its LAN and its metadata under the engine's defaults", () => {
    const names = tries.map(({ name }) => name)
    expect([...defaults].sort()).toEqual(names.toSorted())
  })

  test('reaches nothing under none', async () => {
    expect(await reached('none')).toEqual([])
  })

  test("reaches public addresses under internet, the owner's name server, and nothing else", async () => {
    expect(await reached('internet')).toEqual([
      'internet',
      'name server',
      'otherInternet',
      'ping internet',
      'ping otherInternet'
    ])
  })

  test('reaches what its list says, and nothing else', async () => {
    expect(await reached(ALLOW)).toEqual(['internet', 'lan database'])
  })

  test('sends no mail to public addresses by listing them', async () => {
    expect(await reached({ allow: [`${WORLD.internet}:1-100`] })).toEqual(['internet'])
  })

  test("reaches all but the host, its neighbours and a cloud's metadata under open", async () => {
    const { metadata: _, ...others } = WORLD
    const names = Object.keys(others)
    expect(await reached('open')).toEqual(
      [
        ...names,
        ...names.map((name) => `ping ${name}`),
        'lan database',
        'mail',
        'name server'
      ].sort()
    )
  })

  test("asks names of the owner's servers alone, and of none under a list", async () => {
    const steps = [{ run: 'nslookup a.example 2>&1 | grep -o 1.2.3.4 || echo nothing' }]
    const asked = await rig.run({ steps, spec: { network: 'internet' } })
    const listed = await rig.run({ steps, spec: { network: ALLOW } })

    expect(asked.lines.map(({ text }) => text)).toEqual([WORLD.internet])
    expect(listed.lines.map(({ text }) => text)).toEqual(['nothing'])
  })

  test('has no IPv6 but its own loopback', async () => {
    const run = "cut -c 1-32,45- /proc/net/if_inet6 | grep -v ' lo$' || echo none"
    const { lines } = await rig.run({ steps: [{ run }], spec: { network: 'open' } })
    expect(lines.map(({ text }) => text)).toContain('none')
  })

  test('does not find another job, whatever both may reach', async () => {
    const listen = [
      "ip -4 -o address show eth0 | sed -n 's/.*inet \\([0-9.]*\\).*/\\1/p'",
      'mkdir w && echo here >w/index.html && httpd -p 7000 -h w && sleep 60'
    ].join('\n')
    const one = await rig.start({ steps: [{ run: listen }], spec: { network: 'open' } })
    await eventually('it has an address', () => one.lines.length > 0)
    const address = one.lines.at(-1)?.text ?? ''
    const fetch = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 ${address} 7000 | grep here`
    const run = `${fetch} || ./ping ${address} || echo no`
    const other = await rig.run({ commit, steps: [{ run }], spec: { network: 'open' } })
    const isThere = await answers(address)
    one.abort('cancelled')
    await one.result

    expect(other.lines.at(-1)?.text).toBe('no')
    // It was there to be found: its host reaches it.
    expect(isThere).toBe(true)
    expect(await rig.left()).toEqual([])
  })
})

describe('the rules of a host', { timeout: TEST_MS }, () => {
  test('that are flushed under a running job are put back, with what it may reach', async () => {
    const attempt = await rig.start({
      steps: [{ run: 'echo on; sleep 60' }],
      spec: { network: ALLOW }
    })
    await eventually('it runs', () => attempt.lines.length > 0)
    await nft('delete', 'table', 'inet', 'runner_mesh')
    await eventually('they are back', async () => {
      const table = await nft('list', 'table', 'inet', 'runner_mesh').catch(() => '')
      return table.includes(`${WORLD.internet} . tcp . 80`)
    })
    attempt.abort('cancelled')
    await attempt.result
  })

  test('that cannot be proven again end the jobs on them, and nothing is offered until they can', async () => {
    const own = nftTable()
    let broken = false
    const orBroken = async <T>(work: () => Promise<T>): Promise<T> => {
      if (broken) throw new Error('Operation not permitted')
      return await work()
    }
    const table: RuleTable = {
      rules: own.rules,
      list: () => orBroken(() => own.list()),
      lay: (openings) => orBroken(() => own.lay(openings)),
      add: (openings) => orBroken(() => own.add(openings)),
      remove: (openings) => orBroken(() => own.remove(openings))
    }
    const small = await AttemptRig.open({ networks: NETWORKS, table })
    const attempt = await small.start({
      steps: [{ run: 'echo on; sleep 60' }],
      spec: { network: ALLOW }
    })
    await eventually('it runs', () => attempt.lines.length > 0)
    broken = true
    const result = await attempt.result
    const [left, lost, none] = [
      await small.left(),
      small.networks?.lost,
      [...(small.networks?.offer ?? [])]
    ]
    broken = false
    await eventually(
      'they are offered again',
      () => small.networks?.offer.length === OFFER.length + 1
    )
    await small.close()

    expect(result).toMatchObject({
      ...{ kind: 'interrupted', reason: 'sandbox_failed', userCodeRan: true, fault: 'host' },
      message: expect.stringContaining('Operation not permitted')
    })
    expect({ left, lost, none }).toEqual({ left: [], lost: 'Operation not permitted', none: [] })
  })

  test('that are gone are back before the next job has its container', async () => {
    await nft('delete', 'table', 'inet', 'runner_mesh')
    expect(await reached(ALLOW)).toEqual(['internet', 'lan database'])
  })

  test('keep nothing of jobs that have ended, and the engine no network', async () => {
    await reached(ALLOW)
    expect(await nft('list', 'set', 'inet', 'runner_mesh', 'allow4')).not.toContain('rmja')
    expect(await rig.left()).toEqual([])
  })

  test('are for more than one agent: what one does leaves the jobs of another alone', async () => {
    const attempt = await rig.start({
      steps: [{ run: 'echo on; sleep 60' }],
      spec: { network: ALLOW }
    })
    await eventually('it runs', () => attempt.lines.length > 0)
    const other = await AttemptRig.open({ networks: NETWORKS })
    const list = await nft('list', 'set', 'inet', 'runner_mesh', 'allow4')
    await other.close()
    attempt.abort('cancelled')
    await attempt.result

    expect(list).toContain(`${WORLD.internet} . tcp . 80`)
  })
})

describe('a host that offers less than a job needs', { timeout: TEST_MS }, () => {
  test.each<readonly [string, readonly OfferedNetwork[] | undefined, NetworkPolicy]>([
    ['nothing', undefined, 'internet'],
    ['public addresses', ['internet'], 'open'],
    ['public addresses', ['internet'], { allow: ['10.9.9.9:80'] }]
  ])('%s: gives it back, and makes nothing of it', async (_, offer, network) => {
    const networks = offer === undefined ? {} : { networks: { ...NETWORKS, offer } }
    const small = await AttemptRig.open(networks)
    const { result } = await small.run({ spec: { network } })
    const left = await small.left()
    await small.close()

    expect(result).toMatchObject({
      kind: 'interrupted',
      userCodeRan: false,
      message: expect.stringContaining('this host offers')
    })
    expect(left).toEqual([])
  })
})

async function answers(address: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ host: address, port: 7_000, timeout: 2_000 })
    const end = (is: boolean) => (): void => {
      socket.destroy()
      resolve(is)
    }
    socket.once('connect', end(true)).once('error', end(false)).once('timeout', end(false))
  })
}
