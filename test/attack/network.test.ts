import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { iptablesTable } from '../../agent/execute/network/iptables.ts'
import { nftTable } from '../../agent/execute/network/nft.ts'
import { openingKey } from '../../agent/execute/network/openings.ts'
import type { RuleTable } from '../../agent/execute/network/rule-table.ts'
import type { NetworkPolicy, NetworkRules, OfferedNetwork } from '../../protocol/core/network.ts'
import { AttemptRig } from '../support/attempt-rig.ts'
import { eventually } from '../support/eventually.ts'
import { IPTABLES, NetworkBed, WORLD } from './network-bed.ts'
import {
  byName,
  compileInto,
  everyTry,
  reachedBy,
  reachedIn,
  scriptOf,
  type Try
} from './network-tries.ts'

const SET_UP_MS = 120_000
const TEST_MS = 60_000
const OFFER = ['internet', 'private', 'open'] as const
const SETTINGS = { offer: OFFER, subnets: '10.213.0.0/16', dns: [WORLD.lan] }
const ALLOW = { allow: [`${WORLD.internet}:80`, '10.9.9.0/24:5432'] }

/** Each way that a host's rules are set by. */
const WAYS: readonly Way[] = [
  { name: 'nft', rules: 'nft', table: nftTable() },
  ...IPTABLES.map((backend) => {
    const name = `iptables (${backend})`
    return { name, rules: 'iptables' as const, table: iptablesTable(backend) }
  })
]

interface Way {
  readonly name: string
  readonly rules: NetworkRules
  readonly table: RuleTable
}

let bed: NetworkBed
let rig: AttemptRig
let tries: readonly Try[]
let programs: string
let defaults: readonly string[]
let commit: string

beforeAll(async () => {
  bed = await NetworkBed.open()
  tries = await everyTry(bed)
  programs = await mkdtemp(join(tmpdir(), 'runner-mesh-programs-'))
  await compileInto(programs)
  const script = `PING='ping -c 1 -W 2' PROGRAMS=/programs\n${scriptOf(tries)}`
  defaults = reachedIn(await bed.underDefaults(script, programs))
}, SET_UP_MS)

afterAll(async () => {
  await bed?.close()
  await rm(programs, { recursive: true, force: true })
})

test("a stranger would reach the host, its LAN and its metadata under the engine's defaults", () => {
  const names = tries.map(({ name }) => name)
  expect(defaults).toEqual(names.toSorted())
})

describe.each(WAYS)('under rules by $name', ({ rules, table }) => {
  const networks = { ...SETTINGS, rules }

  beforeAll(async () => {
    await bed.clearRules()
    rig = await AttemptRig.open({ networks, table })
    commit = await rig.git.commitTree(compileInto)
  }, SET_UP_MS)

  afterAll(async () => {
    await rig?.close()
    await bed.clearRules()
  })

  const reached = (network: NetworkPolicy) => reachedBy(rig, commit, tries, network)

  async function openings(): Promise<readonly string[]> {
    return (await table.list())?.openings.map(openingKey) ?? []
  }

  const LISTED = `${WORLD.internet}/32 tcp 80-80`

  describe('a stranger with a network', { timeout: TEST_MS }, () => {
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
      const names = Object.keys(WORLD).filter((name) => !/metadata/i.test(name))
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

    test('reaches hosts by the names that its list has, through its proxy alone', async () => {
      expect(await byName(rig)).toEqual(['by its name'])
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
      await bed.clearRules()
      await eventually('they are back', async () => {
        return (await openings()).some((opening) => opening.endsWith(LISTED))
      })
      attempt.abort('cancelled')
      await attempt.result
    })

    test('that cannot be proven again end the jobs on them, and nothing is offered until they can', async () => {
      let broken = false
      const orBroken = async <T>(work: () => Promise<T>): Promise<T> => {
        if (broken) throw new Error('Operation not permitted')
        return await work()
      }
      const fragile: RuleTable = {
        rules: table.rules,
        list: () => orBroken(() => table.list()),
        lay: (all) => orBroken(() => table.lay(all)),
        add: (some) => orBroken(() => table.add(some)),
        remove: (some) => orBroken(() => table.remove(some))
      }
      const small = await AttemptRig.open({ networks, table: fragile })
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
      await bed.clearRules()
      expect(await reached(ALLOW)).toEqual(['internet', 'lan database'])
    })

    test('keep nothing of jobs that have ended, and the engine no network', async () => {
      await reached(ALLOW)
      expect(await openings()).toEqual([])
      expect(await rig.left()).toEqual([])
    })

    test('are for more than one agent: what one does leaves the jobs of another alone', async () => {
      const attempt = await rig.start({
        steps: [{ run: 'echo on; sleep 60' }],
        spec: { network: ALLOW }
      })
      await eventually('it runs', () => attempt.lines.length > 0)
      const other = await AttemptRig.open({ networks, table })
      const list = await openings()
      await other.close()
      attempt.abort('cancelled')
      await attempt.result

      expect(list).toContainEqual(expect.stringContaining(LISTED))
    })
  })
})

describe('a host that offers less than a job needs', { timeout: TEST_MS }, () => {
  test.each<readonly [string, readonly OfferedNetwork[] | undefined, NetworkPolicy]>([
    ['nothing', undefined, 'internet'],
    ['public addresses', ['internet'], 'open'],
    ['public addresses', ['internet'], { allow: ['10.9.9.9:80'] }]
  ])('%s: gives it back, and makes nothing of it', async (_, offer, network) => {
    const settings = { ...SETTINGS, rules: 'auto' as const }
    const small = await AttemptRig.open(
      offer === undefined ? {} : { networks: { ...settings, offer } }
    )
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
