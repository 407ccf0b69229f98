import { expect, test } from 'vitest'
import type {
  ContainerBody,
  NetworkBody,
  NetworkView
} from '../../../../agent/execute/engine-types.ts'
import { JobNetwork } from '../../../../agent/execute/network/job-network.ts'

const CLAIM = '0a1b2c3d'.repeat(4)
const BODY = {} as ContainerBody
const INHIBIT = 'com.docker.network.bridge.inhibit_ipv4'

/** A network that leads nowhere, of an engine that changes what it is asked for by `change`. */
function closed(change: Partial<NetworkView> = {}, hasAddress = false, isShut = true) {
  const made: NetworkView[] = []
  const engine = {
    createNetwork: async ({ Name, Driver, Internal, ...body }: NetworkBody) => {
      const subnets = body.IPAM.Config.map(({ Subnet }) => Subnet)
      const rest = { labels: body.Labels, options: body.Options, subnets, scope: 'local' }
      const view = { name: Name, driver: Driver, internal: Internal, ...rest }
      made.push({ id: 'id', attachable: false, ipv6: false, ...view, ...change })
      return 'id'
    },
    networks: async () => made,
    removeNetwork: async () => made.splice(0).length > 0
  }
  /** As an engine gives it to the host that makes the bridge. */
  const taken = (): string =>
    (made[0]?.subnets[0] ?? '').replace(/(\d+)\/26$/, (_, last) => `${Number(last) + 1}`)
  const host = {
    interfaces: async () => new Set(['rmsn0a1b2c3d']),
    addresses: () => new Set(['127.0.0.1', ...(hasAddress ? [taken()] : [])]),
    routes: async () => [],
    shut: async () => isShut
  }
  const nothing = (): Promise<void> => Promise.resolve()
  const rest = { adopt: async () => BODY, prove: nothing, leave: nothing, close: nothing }
  const gate = { ...rest, open: async () => BODY }
  const labels = { 'runner-mesh.claim': CLAIM }
  const onLost = (): void => undefined
  const own = { jobId: 'J.0', claimId: CLAIM, name: 'n', policy: 'none' as const, labels, onLost }
  const options = { ...own, pool: '10.213.0.0/16', nameServers: ['1.1.1.1'] }
  return { made, network: new JobNetwork({ engine, host, gate }, options) }
}

test('a closed network leads nowhere, and asks names of nobody', async () => {
  const { made, network } = closed()
  await network.open(BODY)
  expect(network.bridge).toBe('rmsn0a1b2c3d')
  expect(network.nameServers).toEqual(['240.0.0.1'])
  expect(made).toMatchObject([{ internal: true, options: { [INHIBIT]: 'true' } }])
  await network.remove()
  expect(made).toEqual([])
})

test('an engine that gives its bridge an address all the same is not believed', async () => {
  await expect(closed({}, true).network.open(BODY)).rejects.toMatchObject({
    code: 'NETWORK_UNENFORCED',
    message: expect.stringContaining('this host an address on rmsn0a1b2c3d')
  })
})

test('a host that takes datagrams from it all the same is not one for it', async () => {
  const refusal = {
    code: 'NETWORK_UNENFORCED',
    message: expect.stringContaining('net.ipv4.conf.all.rp_filter')
  }
  await expect(closed({}, false, false).network.open(BODY)).rejects.toMatchObject(refusal)
  await expect(closed({}, false, false).network.adopt(BODY)).rejects.toMatchObject(refusal)
})

test.each([
  ['leads out', { internal: false }],
  ['has lost the option', { options: { 'com.docker.network.bridge.name': 'rmsn0a1b2c3d' } }]
])('a network that %s is refused', async (_what, change) => {
  await expect(closed(change).network.open(BODY)).rejects.toMatchObject({ code: 'SANDBOX_DIFFERS' })
})
