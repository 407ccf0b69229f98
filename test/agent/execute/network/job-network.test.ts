import { beforeEach, describe, expect, test } from 'vitest'
import {
  EngineError,
  type NetworkBody,
  type NetworkView
} from '../../../../agent/execute/engine-types.ts'
import { JobNetwork } from '../../../../agent/execute/network/job-network.ts'
import { type Opening, openingKey } from '../../../../agent/execute/network/openings.ts'
import { rangeOf } from '../../../../protocol/core/address-range.ts'

const CLAIM = '0a1b2c3d'.repeat(4)
const BRIDGE = 'rmja0a1b2c3d'
const POLICY = { allow: ['1.2.3.4:80'] }

let made: NetworkView[]
let refusals: number
let change: Partial<NetworkView>
let interfaces: Set<string>
let opened: (readonly [string, readonly string[]])[]
let closed: string[]
let network: JobNetwork

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
  const firewall = {
    open: async (bridge: string, openings: readonly Opening[]) =>
      void opened.push([bridge, openings.map(openingKey)]),
    close: async (bridge: string) => void closed.push(bridge)
  }
  const host = {
    hasAddress: () => false,
    interfaces: async () => interfaces,
    routes: async () => [rangeOf('10.213.0.0/17')]
  }
  const labels = { 'runner-mesh.peer': 'p', 'runner-mesh.claim': CLAIM }
  network = new JobNetwork(
    { engine, firewall, host },
    {
      ...{ jobId: 'J.0', claimId: CLAIM, name: 'runner-mesh-j.0', policy: POLICY, labels },
      ...{ pool: '10.213.0.0/16', nameServers: ['1.1.1.1'], onLost: () => undefined }
    }
  )
})

describe("a job's network", () => {
  test('is a bridge whose name says its policy, in a subnet that no route of the host has', async () => {
    await network.open()

    expect(made).toMatchObject([{ name: 'runner-mesh-j.0', ipv6: false, attachable: false }])
    expect(made[0]?.options['com.docker.network.bridge.name']).toBe(BRIDGE)
    expect(rangeOf(made[0]?.subnets[0] ?? '').first).toBeGreaterThan(rangeOf('10.213.0.0/17').last)
    expect(opened).toEqual([[BRIDGE, [`${BRIDGE} 1.2.3.4/32 tcp 80-80`]]])
  })

  test('gets another subnet where somebody was faster, but not for ever', async () => {
    refusals = 15
    await network.open()
    expect(made).toHaveLength(1)

    await network.remove()
    refusals = 16
    await expect(network.open()).rejects.toMatchObject({ code: 'SANDBOX_FAILED' })
    expect(made).toEqual([])
  })

  test.each<readonly [string, Partial<NetworkView>]>([
    ['ipv6', { ipv6: true }],
    ['attachable', { attachable: true }],
    ['subnets', { subnets: ['10.0.0.0/8'] }],
    ['option com.docker.network.bridge.name', { options: {} }]
  ])('opens nothing where the engine made its %s otherwise', async (name, made) => {
    change = made
    await expect(network.open()).rejects.toMatchObject({
      code: 'SANDBOX_DIFFERS',
      message: expect.stringContaining(`its network's ${name} is`)
    })
    expect(opened).toEqual([])
  })

  test('opens nothing where its bridge is in another namespace than the rules', async () => {
    interfaces.delete(BRIDGE)
    await expect(network.open()).rejects.toMatchObject({ code: 'NETWORK_UNENFORCED' })
    expect(opened).toEqual([])
  })

  test('opens nothing where another network has its claim', async () => {
    await network.open()
    opened = []
    await expect(network.open()).rejects.toThrow('the engine has 2 of this claim')
    expect(opened).toEqual([])
  })

  test('is gone after its removal, which may be called again', async () => {
    await network.open()
    await network.remove()
    await network.remove()

    expect(made).toEqual([])
    expect(closed).toEqual([BRIDGE, BRIDGE])
  })
})
