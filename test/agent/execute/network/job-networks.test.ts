import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ContainerBody, NetworkBody } from '../../../../agent/execute/engine-types.ts'
import { Firewall } from '../../../../agent/execute/network/firewall.ts'
import type { JobNetwork } from '../../../../agent/execute/network/job-network.ts'
import { JobNetworks } from '../../../../agent/execute/network/job-networks.ts'
import { RulesGate } from '../../../../agent/execute/network/rules-gate.ts'
import { NETWORK_PROOF_EVERY_MS } from '../../../../protocol/core/network-limits.ts'
import { silentLog } from '../../../../protocol/host/log.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

const OFFER = ['internet'] as const
const WITH_NAMES = ['internet', 'names']
const VOICE = { say: () => undefined, mask: (text: string) => text }
const REQUEST = {
  ...{ jobId: 'J.0', claimId: '0a'.repeat(16), name: 'j', onLost: () => undefined },
  voice: VOICE
}
const NAMED = { allow: ['a.example:443'] }

const BODY = { HostConfig: { Mounts: [] } } as unknown as ContainerBody

let broken: boolean
let bodies: NetworkBody[]
let clock: FakeClock
let changes: (readonly string[])[]
let networks: JobNetworks

beforeEach(() => {
  ;[broken, bodies, changes, clock] = [true, [], [], new FakeClock()]
  networks = networksIn('127.213.0.0/16')
})

afterEach(() => networks.stop())

/** What proxies listen on is the first address of a subnet of the pool. */
function networksIn(subnets: string): JobNetworks {
  let isMade = false
  const table = {
    rules: 7,
    list: async () => {
      if (broken) throw new Error('nft is not installed')
      return isMade ? { fingerprint: 'ours', rules: 7, openings: [] } : undefined
    },
    lay: async () => {
      isMade = true
    },
    add: async () => undefined,
    remove: async () => undefined
  }
  const host = {
    interfaces: async () =>
      new Set(bodies.map(({ Options }) => Options['com.docker.network.bridge.name'] ?? '')),
    routes: async () => [],
    addresses: () => new Set<string>(),
    shut: async () => true
  }
  const engine = {
    createNetwork: async (body: NetworkBody) => {
      bodies.push(body)
      return 'id'
    },
    networks: async () => bodies.map(viewOf),
    removeNetwork: async () => bodies.splice(0).length > 0
  }
  const log = silentLog()
  const firewall = new Firewall({ table, host, clock, log })
  const options = { offer: OFFER, subnets, nameServers: ['1.1.1.1'] }
  const egress = {
    names: { resolve: async () => [] },
    ownAddresses: () => new Set<string>(),
    denied: [],
    dial: () => {
      throw new Error('nobody is called')
    }
  }
  const keeps = ['internet', 'private', 'open'] as const
  const ways = [{ rules: 'nft' as const, keeps, gate: new RulesGate(firewall) }]
  const tryOut = async (network: JobNetwork) => void (await network.open(BODY))
  const made = new JobNetworks({ engine, ways, host, tryOut, egress, clock, log }, options)
  made.onChange(() => changes.push(made.offer))
  return made
}

function viewOf(body: NetworkBody) {
  return {
    ...{ id: 'id', name: body.Name, labels: body.Labels, driver: body.Driver, scope: 'local' },
    ...{ internal: body.Internal, attachable: body.Attachable, ipv6: body.EnableIPv6 },
    subnets: body.IPAM.Config.map(({ Subnet }) => Subnet),
    options: body.Options
  }
}

test('nothing is offered before the rules are proven, and then what the owner offers', async () => {
  expect(networks.offer).toEqual([])
  broken = false
  await networks.prove('peer')

  expect([networks.offer, networks.lost, changes]).toEqual([WITH_NAMES, undefined, [WITH_NAMES]])
  expect(networks.networkOf('internet', REQUEST, {})).toBeDefined()
  expect(bodies).toEqual([])
})

test('a proof that fails is tried again until it does not', async () => {
  await networks.prove('peer')
  await clock.advance(5 * NETWORK_PROOF_EVERY_MS)
  expect([networks.offer, networks.lost]).toEqual([[], 'nft: nft is not installed'])
  expect(networks.networkOf('internet', REQUEST, {})).toBeUndefined()

  broken = false
  await clock.advance(NETWORK_PROOF_EVERY_MS)
  expect([networks.offer, networks.lost]).toEqual([WITH_NAMES, undefined])
  expect(changes.at(-1)).toEqual(WITH_NAMES)
})

test('nothing is proven any more once the agent stops', async () => {
  await networks.prove('peer')
  networks.stop()
  expect(clock.armed()).toBe(0)
})

test('a host that cannot run a proxy where jobs would find it offers no names, and says why', async () => {
  broken = false
  networks = networksIn('192.0.2.0/24')
  await networks.prove('peer')

  expect([networks.offer, networks.lost]).toEqual([OFFER, undefined])
  expect(networks.unnamed).toContain('EADDRNOTAVAIL')
  expect(networks.networkOf('internet', REQUEST, {})).toBeDefined()
  expect(networks.networkOf(NAMED, REQUEST, {})).toBeUndefined()
  expect(networks.networkOf('audit', REQUEST, {})).toBeUndefined()
  expect(bodies).toEqual([])
  expect(clock.armed()).toBe(1)
})

test('names are for lists that have some, and for audits', async () => {
  broken = false
  await networks.prove('peer')
  for (const policy of [NAMED, 'audit'] as const) {
    expect(networks.networkOf(policy, REQUEST, {})?.nameServers).toEqual(['240.0.0.1'])
  }
})
