import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { iptablesTable } from '../../agent/execute/network/iptables.ts'
import { nftTable } from '../../agent/execute/network/nft.ts'
import { openingKey } from '../../agent/execute/network/openings.ts'
import type { RuleTable, TableView } from '../../agent/execute/network/rule-table.ts'
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
  type Try,
  tooMany
} from './network-tries.ts'

const SET_UP_MS = 120_000
const TEST_MS = 120_000
/** Milliseconds for a job with a program, its start and what it waits for among them. */
const OPEN_MS_MAX = 60_000
const OFFER = ['internet', 'private', 'open'] as const
const SETTINGS = { offer: OFFER, subnets: '10.213.0.0/16', dns: [WORLD.lan] }
const ALLOW = { allow: [`${WORLD.internet}:80`, '10.9.9.0/24:5432'] }

/** Each way that a host's rules are set by. */
const WAYS: readonly Way[] = [
  { name: 'nft', rules: 'nft', tableOf: nftTable },
  ...IPTABLES.map((backend) => {
    const name = `iptables (${backend})`
    const tableOf = () => iptablesTable(backend)
    return { name, rules: 'iptables' as const, tableOf }
  })
]

interface Way {
  readonly name: string
  readonly rules: NetworkRules
  readonly tableOf: () => RuleTable
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

describe.each(WAYS)('under rules by $name', ({ rules, tableOf }) => {
  const networks = { ...SETTINGS, rules }
  const table = tableOf()

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

    test('reaches nothing that the owner of the host denies, whatever its policy', async () => {
      const deny = ['5.6.7.0/24', `${WORLD.lan}/32`]
      const strict = await AttemptRig.open({ networks: { ...networks, deny }, table: tableOf() })
      const at = await strict.git.commitTree(compileInto)
      const found = (network: NetworkPolicy) => reachedBy(strict, at, tries, network)
      const internet = await found('internet')
      const listed = await found({ allow: [`${WORLD.internet}:80`, `${WORLD.otherInternet}:80`] })
      const open = await found('open')
      await strict.close()

      // The owner's name server is named by the owner, too.
      expect(internet).toEqual(['internet', 'name server', 'ping internet'])
      expect(listed).toEqual(['internet'])
      expect(open.filter((name) => /otherInternet|^(ping )?lan/.test(name))).toEqual([])
      expect(open).toContain('internet')
    })

    test("is kept to its own owner's list beside another agent with another one", async () => {
      const other = { ...networks, deny: ['5.6.7.0/24'] }
      const own = { ...networks, deny: [`${WORLD.internet}/32`] }
      const one = await AttemptRig.open({ networks: own, table: tableOf() })
      onTestFinished(() => one.close())
      const fetch = (address: string) =>
        `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 ${address} 80 2>/dev/null | grep -q '^here$'`
      const both = [WORLD.internet, WORLD.otherInternet].map(
        (address) => `${fetch(address)} && echo ${address}`
      )
      const round = `${both.join('\n')}\necho end`
      const steps = [{ run: `while :; do ${round}\nsleep 0.2; done` }]
      const attempt = await one.start({ steps, spec: { network: 'internet' } })
      const said = () => attempt.lines.map(({ text }) => text)
      const rounds = () => said().filter((text) => text === 'end').length
      await eventually('it has tried', () => rounds() > 0, OPEN_MS_MAX)
      // The other one puts the rules in place anew.
      const two = await AttemptRig.open({ networks: other, table: tableOf() })
      onTestFinished(() => two.close())
      const beside = await two.run({ steps: [{ run: round }], spec: { network: 'internet' } })
      const before = rounds()
      await eventually('it has tried again', () => rounds() > before + 2, OPEN_MS_MAX)
      attempt.abort('cancelled')
      await attempt.result

      expect(beside.lines.map(({ text }) => text)).toEqual([WORLD.internet, 'end'])
      expect([...new Set(said())].toSorted()).toEqual([WORLD.otherInternet, 'end'].toSorted())
    })

    test('has no more connections open than it may, and its neighbour opens some', async () => {
      expect(await tooMany(rig, commit)).toEqual(['taken 10'])
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

    test('that are back end what a job opened while they were away, and nothing else', async () => {
      // A connection each, asked on and on: what they have answered so far is said each time.
      const run = [
        'get() { while sleep 0.3; do printf "GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"; done; }',
        'open() { while :; do get | nc -w 1 "$1" 80 || true; done; }',
        `open ${WORLD.lan} >bad 2>/dev/null &`,
        `open ${WORLD.internet} >good 2>/dev/null &`,
        'while sleep 0.5; do echo "$(grep -c here bad) $(grep -c here good)"; done'
      ].join('\n')
      const spec = { network: 'internet' } as const
      let isBlind = false
      let seen: TableView | undefined
      const late: RuleTable = {
        ...table,
        list: async () => {
          if (!isBlind) seen = await table.list()
          return seen
        }
      }
      const small = await AttemptRig.open({ networks, table: late })
      onTestFinished(() => small.close())
      const attempt = await small.start({ steps: [{ run }], spec })
      const answers = () => attempt.lines.map(({ text }) => text.split(' ').map(Number))
      await eventually('it has what it may', () => (answers().at(-1)?.[1] ?? 0) > 0, OPEN_MS_MAX)
      expect(answers().at(-1)?.[0]).toBe(0)

      isBlind = true
      await bed.clearRules()
      const opened = () => (answers().at(-1)?.[0] ?? 0) > 0
      await eventually('it has opened what it must not', opened, OPEN_MS_MAX)
      isBlind = false
      await eventually('they are back', async () => (await table.list()) !== undefined, OPEN_MS_MAX)
      const since = answers().length
      await eventually(
        'only what it may goes on',
        () => {
          const later = answers().slice(since + 2)
          const [first, last] = [later[0], later.at(-1)]
          return (
            later.length > 6 && last?.[0] === first?.[0] && (last?.[1] ?? 0) > (first?.[1] ?? 0)
          )
        },
        OPEN_MS_MAX
      )
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
