import { beforeEach, describe, expect, test } from 'vitest'
import {
  type ContainerBody,
  EngineError,
  type NetworkBody,
  type NetworkView
} from '../../../../agent/execute/engine-types.ts'
import type { Guarded } from '../../../../agent/execute/network/gate.ts'
import { JobNetwork } from '../../../../agent/execute/network/job-network.ts'
import { openingKey } from '../../../../agent/execute/network/openings.ts'
import { rangeOf } from '../../../../protocol/core/address-range.ts'

const CLAIM = '0a1b2c3d'.repeat(4)
const BRIDGE = 'rmja0a1b2c3d'
const BODY = { HostConfig: { Mounts: [] } } as unknown as ContainerBody
const POLICY = { allow: ['1.2.3.4:80'] }

let made: NetworkView[]
let refusals: number
let change: Partial<NetworkView>
let interfaces: Set<string>
let opened: (readonly [string, readonly string[]])[]
let closed: string[]
let proxied: string[]
let place: { readonly address: string; readonly port: number } | undefined
let network: JobNetwork
let named: JobNetwork

function viewOf(body: NetworkBody): NetworkView {
  return {
    id: `id-${made.length}`,
    name: body.Name,
    labels: body.Labels,
    driver: body.Driver,
    scope: 'local',
    internal: body.Internal,
    attachable: body.Attachable,
    ipv6: body.EnableIPv6,
    subnets: body.IPAM.Config.map(({ Subnet }) => Subnet),
    options: body.Options,
    ...change
  }
}

beforeEach(() => {
  ;[made, opened, closed, refusals, change] = [[], [], [], 0, {}]
  interfaces = new Set(['lo', BRIDGE])
  const engine = {
    createNetwork: async (body: NetworkBody) => {
      refusals -= 1
      if (refusals >= 0) throw new EngineError('Pool overlaps with other one', 403)
      made.push(viewOf(body))
      return 'id'
    },
    networks: async (labels: Readonly<Record<string, string>>) =>
      made.filter((one) =>
        Object.entries(labels).every(([key, value]) => one.labels[key] === value)
      ),
    removeNetwork: async (id: string) => {
      const before = made.length
      made = made.filter((one) => one.id !== id)
      return made.length < before
    }
  }
  const gate = {
    open: async ({ bridge, openings }: Guarded, body: ContainerBody) => {
      opened.push([bridge, openings.map(openingKey)])
      return body
    },
    adopt: async ({ bridge, openings }: Guarded, body: ContainerBody) => {
      opened.push([bridge, openings.map(openingKey)])
      return body
    },
    prove: async () => undefined,
    leave: async () => void closed.push(`leave ${made.length}`),
    close: async ({ bridge }: Guarded) => void closed.push(bridge)
  }
  const host = {
    interfaces: async () => interfaces,
    routes: async () => [rangeOf('10.213.0.0/17')],
    addresses: () => new Set<string>(),
    // Asked of closed networks alone.
    shut: async () => false
  }
  const labels = { 'runner-mesh.peer': 'p', 'runner-mesh.claim': CLAIM }
  const parts = { engine, gate, host }
  const options = {
    ...{ jobId: 'J.0', claimId: CLAIM, name: 'runner-mesh-j.0', policy: POLICY, labels },
    ...{ pool: '10.213.0.0/16', nameServers: ['1.1.1.1'], onLost: () => undefined }
  }
  network = new JobNetwork(parts, options)
  proxied = []
  place = { address: '10.213.9.1', port: 4480 }
  const proxy = {
    listen: async (subnet: string, isResumed?: boolean) => {
      proxied.push(`${isResumed === true ? 'resumed' : 'begun'} in ${subnet}`)
      if (place === undefined) throw new Error('listen EADDRINUSE')
      return place
    },
    close: () => void proxied.push('closed')
  }
  const policy = { allow: ['a.example:443', ...POLICY.allow] }
  named = new JobNetwork(parts, { ...options, policy, proxy })
})

describe("a job's network", () => {
  test('is a bridge whose name says its policy, in a subnet that no route of the host has', async () => {
    await network.open(BODY)

    expect(made).toMatchObject([{ name: 'runner-mesh-j.0', ipv6: false, attachable: false }])
    expect(made[0]?.options['com.docker.network.bridge.name']).toBe(BRIDGE)
    expect(rangeOf(made[0]?.subnets[0] ?? '').first).toBeGreaterThan(rangeOf('10.213.0.0/17').last)
    expect(opened).toEqual([[BRIDGE, [`${BRIDGE} 1.2.3.4/32 tcp 80-80`]]])
  })

  test('gets another subnet where somebody was faster, but not for ever', async () => {
    refusals = 15
    await network.open(BODY)
    expect(made).toHaveLength(1)

    await network.remove()
    refusals = 16
    await expect(network.open(BODY)).rejects.toMatchObject({ code: 'SANDBOX_FAILED' })
    expect(made).toEqual([])
  })

  test.each<readonly [string, Partial<NetworkView>]>([
    ['ipv6', { ipv6: true }],
    ['attachable', { attachable: true }],
    ['subnets', { subnets: ['10.0.0.0/8'] }],
    ['option com.docker.network.bridge.name', { options: {} }]
  ])('opens nothing where the engine made its %s otherwise', async (name, made) => {
    change = made
    await expect(network.open(BODY)).rejects.toMatchObject({
      code: 'SANDBOX_DIFFERS',
      message: expect.stringContaining(`its network's ${name} is`)
    })
    expect(opened).toEqual([])
  })

  test('opens nothing where its bridge is in another namespace than the rules', async () => {
    interfaces.delete(BRIDGE)
    await expect(network.open(BODY)).rejects.toMatchObject({ code: 'NETWORK_UNENFORCED' })
    expect(opened).toEqual([])
  })

  test('opens nothing where another network has its claim', async () => {
    await network.open(BODY)
    opened = []
    await expect(network.open(BODY)).rejects.toThrow('the engine has 2 of this claim')
    expect(opened).toEqual([])
  })

  test('is gone after its removal, which may be called again', async () => {
    await network.open(BODY)
    await network.remove()
    await network.remove()

    expect(made).toEqual([])
    // Whatever holds it is gone before it is, and its rules only after it.
    expect(closed).toEqual(['leave 1', BRIDGE, 'leave 0', BRIDGE])
  })
})

describe('the network of a job with names', () => {
  test('has a proxy on its bridge before the way to it is open, and its steps know where', async () => {
    await named.open(BODY)

    expect(proxied).toEqual([`begun in ${made[0]?.subnets[0]}`])
    expect(opened).toEqual([
      [
        BRIDGE,
        [`${BRIDGE} 1.2.3.4/32 tcp 80-80`, `${BRIDGE} 10.213.9.1/32 tcp 4480-4480 of the host`]
      ]
    ])
    const direct = 'localhost,127.0.0.1,::1,1.2.3.4'
    expect(named.env).toEqual([
      'HTTP_PROXY=http://10.213.9.1:4480',
      'http_proxy=http://10.213.9.1:4480',
      'HTTPS_PROXY=http://10.213.9.1:4480',
      'https_proxy=http://10.213.9.1:4480',
      `NO_PROXY=${direct}`,
      `no_proxy=${direct}`
    ])
  })

  test('gets its proxy again where another process had opened it', async () => {
    const asked = await named.open(BODY)
    // The container there is compared with what it would be made of now.
    expect(await named.adopt(BODY)).toEqual(asked)
    expect(proxied.at(-1)).toBe(`resumed in ${made[0]?.subnets[0]}`)
    expect(opened).toHaveLength(2)
  })

  test('opens nothing where its proxy cannot listen, or its network is gone', async () => {
    await expect(named.adopt(BODY)).rejects.toThrow('its network is gone')
    place = undefined
    await expect(named.open(BODY)).rejects.toMatchObject({
      code: 'SANDBOX_FAILED',
      message: expect.stringContaining('EADDRINUSE')
    })
    expect([opened, named.env]).toEqual([[], []])
  })

  test('ends its proxy before its bridge goes', async () => {
    await named.open(BODY)
    await named.remove()
    expect(proxied.at(-1)).toBe('closed')
    expect(made).toEqual([])
  })
})
