import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type DeviceNode, nodeAccess } from '../../../../agent/execute/gpu/device-node.ts'
import {
  type PassingGround,
  passGpus,
  passingProblem
} from '../../../../agent/execute/gpu/gpu-passing.ts'
import type { GpuDevice } from '../../../../agent/probe/gpu/gpu-device.ts'
import { GPU_VENDORS } from '../../../../protocol/core/gpu.ts'
import { uuid } from '../../../support/gpu-host.ts'

const GROUND: PassingGround = {
  cdi: new Set(),
  cdiNodes: new Map(),
  toolkit: '1.17.8',
  namespace: undefined,
  nodes: new Map()
}
const TRUSTED = { isTrusted: true, runtime: undefined }
const STRANGER = { isTrusted: false, runtime: undefined }
const REMAPPED = { kind: 'remap', base: 100_000, groupBase: 100_000 } as const
const NODE: DeviceNode = { isDevice: true, gid: 109, mode: 0o660 }

function device(vendor: GpuDevice['vendor'], id: string, nodes: readonly string[]): GpuDevice {
  return {
    id: `${vendor}:${id}`,
    vendor,
    model: 'one',
    pci: '0000:3b:00.0',
    memoryBytes: 1,
    sharedMemory: false,
    driver: '',
    architecture: '',
    numaNode: undefined,
    parent: undefined,
    health: 'ok',
    reasons: [],
    nodes
  }
}

const H100 = device('nvidia', uuid('0'), ['/dev/nvidia0', '/dev/dri/renderD128'])
const MI210 = device('amd', '0000:63:00.0', ['/dev/kfd', '/dev/dri/renderD129'])
const FLEX = device('intel', '0000:4d:00.0', ['/dev/dri/renderD130'])

function nodesOf(...devices: readonly GpuDevice[]): ReadonlyMap<string, DeviceNode> {
  return new Map(devices.flatMap(({ nodes }) => nodes).map((path) => [path, NODE]))
}

test('no node but those of leased GPUs appears, none of a screen, and none to make others by', () => {
  const minor = fc.integer({ min: 128, max: 191 })
  const host = fc
    .uniqueArray(fc.record({ minor, vendor: fc.constantFrom(...GPU_VENDORS) }), {
      selector: (each) => each.minor,
      minLength: 1,
      maxLength: 16
    })
    .map((all) =>
      all.map((each, index) => {
        const render = `/dev/dri/renderD${each.minor}`
        if (each.vendor === 'nvidia') {
          const id = `GPU-${String(index).padStart(8, '0')}-0000-0000-0000-000000000000`
          return device('nvidia', id, [`/dev/nvidia${index}`, render])
        }
        const card = `/dev/dri/card${index}`
        const shared = each.vendor === 'amd' ? ['/dev/kfd'] : []
        return device(each.vendor, `0000:${each.minor.toString(16)}:00.0`, [
          ...shared,
          card,
          render
        ])
      })
    )
  const leased = host.chain((all) => fc.tuple(fc.constant(all), fc.subarray(all)))
  fc.assert(
    fc.property(leased, fc.boolean(), fc.boolean(), ([all, some], names, specs) => {
      const listed = all.map(
        ({ vendor, id }) => `${vendor}.com/gpu=${id.slice(id.indexOf(':') + 1)}`
      )
      const ground: PassingGround = {
        ...GROUND,
        cdi: new Set(names ? listed : []),
        // Of some vendors specs bring the card as well.
        cdiNodes: new Map(specs ? all.map(({ nodes }, at) => [listed[at] ?? '', nodes]) : []),
        nodes: nodesOf(...all)
      }
      const passed = passGpus(
        some.map((each) => ({ device: each })),
        ground,
        TRUSTED
      )
      if (passed.kind === 'refused') throw new Error(passed.cause)

      const { devices, requests, groups, env } = passed.parts
      const own = new Set(some.flatMap(({ nodes }) => nodes))
      for (const { PathOnHost, PathInContainer, CgroupPermissions } of devices) {
        expect(own).toContain(PathOnHost)
        expect(PathOnHost).toMatch(/^\/dev\/(kfd|dri\/renderD\d+)$/)
        expect([PathInContainer, CgroupPermissions]).toEqual([PathOnHost, 'rw'])
      }
      const ids = some.map(({ id }) => id.slice(id.indexOf(':') + 1))
      for (const { DeviceIDs } of requests) {
        for (const id of DeviceIDs) expect(ids).toContain(id.replace(/^\w+\.com\/gpu=/, ''))
      }
      // Each of them by one way, and by no other besides.
      const byNode = devices.filter(({ PathOnHost }) => PathOnHost.includes('renderD')).length
      const byName = requests.reduce((sum, { DeviceIDs }) => sum + DeviceIDs.length, 0)
      expect(byNode + byName).toBe(some.length)
      expect(groups).toEqual(devices.length > 0 ? ['109'] : [])
      const seen = env.filter((each) => each.startsWith('NVIDIA_VISIBLE_DEVICES='))
      expect(seen).toHaveLength(1)
      expect(env.join()).not.toMatch(/=all/)
    })
  )
})

describe('a name that the engine lists for one of AMD', () => {
  const name = 'amd.com/gpu=0'
  const open: DeviceNode = { ...NODE, mode: 0o666 }
  const ground: PassingGround = {
    ...GROUND,
    cdi: new Set([name]),
    nodes: new Map(MI210.nodes.map((path) => [path, open]))
  }
  const byNode = (nodes: readonly string[]) => {
    const passed = passGpus(
      [{ device: MI210 }],
      { ...ground, cdiNodes: new Map([[name, nodes]]) },
      TRUSTED
    )
    return passed.kind === 'passed' ? passed.parts.devices.length > 0 : undefined
  }

  test('is taken where its spec hands over what is leased and nothing else', () => {
    expect(byNode(['/dev/dri/renderD129', '/dev/kfd'])).toBe(false)
  })

  test.each([
    ['the card that shows pictures as well', ['/dev/kfd', '/dev/dri/card1', '/dev/dri/renderD129']],
    ["another GPU's node, numbers having changed", ['/dev/kfd', '/dev/dri/renderD128']],
    ['nothing that is known', []]
  ])('is left where it hands over %s', (_what, nodes) => {
    expect(byNode(nodes)).toBe(true)
  })

  test('is left where a job needs a group to open what it hands over', () => {
    const cdiNodes = new Map([[name, MI210.nodes]])
    const passed = passGpus(
      [{ device: MI210 }],
      { ...ground, cdiNodes, nodes: nodesOf(MI210) },
      TRUSTED
    )
    expect(passed).toMatchObject({ parts: { requests: [], groups: ['109'] } })
  })
})

describe('a GPU that cannot be handed over', () => {
  test.each<[string, GpuDevice, Partial<PassingGround>, RegExp]>([
    ['whose node is gone', FLEX, {}, /renderD130 is not there/],
    ['that has no render node', device('amd', 'x', ['/dev/kfd']), {}, /has no render node/],
    ['of NVIDIA without a way', H100, { toolkit: undefined }, /install NVIDIA's container toolkit/],
    [
      'of NVIDIA in a rootless engine without names',
      H100,
      { namespace: { kind: 'rootless', base: 0, groupBase: 0 } },
      /by CDI alone/
    ],
    [
      'whose group an engine that maps users does not know',
      FLEX,
      { namespace: REMAPPED, nodes: nodesOf(FLEX) },
      /group 109, which the engine's user namespace has not: give it one from 100001 to 165535/
    ]
  ])('%s takes no job, and says why', (_what, gpu, more, cause) => {
    const ground = { ...GROUND, ...more }
    expect(passingProblem(gpu, ground)).toMatch(cause)
    expect(passGpus([{ device: gpu }], ground, TRUSTED)).toMatchObject({
      kind: 'refused',
      gpu: gpu.id
    })
  })

  test('takes the others of its lease with it: a job never runs with fewer than it asked', () => {
    const ground = { ...GROUND, nodes: nodesOf(MI210) }
    expect(passGpus([{ device: MI210 }, { device: FLEX }], ground, TRUSTED)).toMatchObject({
      kind: 'refused',
      gpu: FLEX.id
    })
  })
})

describe('a job that may not have what is there', () => {
  test('of a runtime that no GPU was tried with is refused, whoever it is of', () => {
    const job = { isTrusted: true, runtime: 'runsc' }
    expect(passGpus([{ device: H100 }], GROUND, job)).toMatchObject({
      cause: 'no GPU has been tried with the runtime runsc'
    })
  })

  test.each(['1.16.2', '1.17.7', '1.17.8-rc.1', '', undefined])(
    'of a stranger is refused with the container toolkit %s',
    (toolkit) => {
      const ground = { ...GROUND, toolkit, cdi: new Set([`nvidia.com/gpu=${uuid('0')}`]) }
      expect(passGpus([{ device: H100 }], ground, TRUSTED)).toMatchObject({ kind: 'passed' })
      expect(passGpus([{ device: H100 }], ground, STRANGER)).toMatchObject({
        kind: 'refused',
        cause: expect.stringContaining('untrusted jobs need 1.17.8 or later')
      })
    }
  )

  test.each(['1.17.8', '1.17.9', '1.18.0', '2.0.0'])(
    'of a stranger is taken with %s',
    (toolkit) => {
      const ground = { ...GROUND, toolkit }
      expect(passGpus([{ device: H100 }], ground, STRANGER)).toMatchObject({ kind: 'passed' })
    }
  )

  test('of a stranger gets no part of a GPU that others use', () => {
    const ground = { ...GROUND, nodes: nodesOf(FLEX) }
    const leased = [{ device: FLEX, share: 0.25 }]
    expect(passGpus(leased, ground, TRUSTED)).toMatchObject({ kind: 'passed' })
    expect(passGpus(leased, ground, STRANGER)).toMatchObject({ kind: 'refused' })
  })
})

describe('a node is opened', () => {
  const access = (node: Partial<DeviceNode>, namespace?: Parameters<typeof nodeAccess>[2]) =>
    nodeAccess('/dev/x', { ...NODE, ...node }, namespace)

  test('by everyone without a group, whatever group it has', () => {
    expect(access({ mode: 0o666, gid: 0 })).toEqual({ kind: 'open' })
    expect(access({ mode: 0o666 }, REMAPPED)).toEqual({ kind: 'open' })
  })

  test('by its own group, as the container numbers it', () => {
    expect(access({})).toEqual({ kind: 'group', gid: 109 })
    expect(access({ gid: 100_109 }, REMAPPED)).toEqual({ kind: 'group', gid: 109 })
  })

  test.each<[string, Partial<DeviceNode>]>([
    ["by root's group", { gid: 0 }],
    ['by its owner alone', { mode: 0o600 }],
    ['for reading alone', { mode: 0o640 }],
    ['where it is a plain file', { isDevice: false }]
  ])('never %s', (_how, node) => {
    expect(access(node)).toMatchObject({ kind: 'closed' })
  })

  test.each([100_000, 165_536, 99_999])('never by group %i of an engine that maps users', (gid) => {
    expect(access({ gid }, REMAPPED)).toMatchObject({ kind: 'closed' })
  })

  test('by a group of its list where the engine maps users, and by none that the list shuts out', () => {
    expect(access({ gid: 0, groups: [0, 44, 100_044] }, REMAPPED)).toEqual({
      kind: 'group',
      gid: 44
    })
    expect(access({ gid: 100_109, groups: [] }, REMAPPED)).toMatchObject({ kind: 'closed' })
    // Of the node that is made anew its mode and its group are all that there is.
    expect(access({ gid: 0, groups: [44] })).toMatchObject({ kind: 'closed' })
    expect(access({ gid: 109, groups: [] })).toEqual({ kind: 'group', gid: 109 })
  })

  test('by its group as groups are mapped, where users are mapped otherwise', () => {
    const apart = { kind: 'remap', base: 100_000, groupBase: 300_000 } as const
    expect(access({ gid: 300_109 }, apart)).toEqual({ kind: 'group', gid: 109 })
    expect(access({ gid: 100_109 }, apart)).toMatchObject({ kind: 'closed' })
  })

  test('by no group where the whole engine is a user of its own', () => {
    expect(access({}, { kind: 'rootless', base: 0, groupBase: 0 })).toMatchObject({
      kind: 'closed'
    })
  })
})
