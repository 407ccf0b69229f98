import { chmod, rm } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HostGpus } from '../../../../agent/probe/gpu/host-gpus.ts'
import type { RunTool, ToolAnswer } from '../../../../agent/probe/gpu/tools.ts'
import { boundedGpus, gpusProblem } from '../../../../protocol/core/gpu.ts'
import { asStranger } from '../../../support/as-stranger.ts'
import { fakeNvidiaSmi } from '../../../support/fake-nvidia-smi.ts'
import { GpuHostTree, gpuNode, uuid } from '../../../support/gpu-host.ts'

const AMD = { vendor: '0x1002', device: '0x740f', driver: 'amdgpu' }
const INTEL = { vendor: '0x8086', device: '0x56c0', driver: 'i915' }
const NODE = {
  gfx_target_version: 90_010,
  location_id: 0x6300,
  drm_render_minor: 129,
  unique_id: 7
}

/** One GPU of each vendor, and what a server shows its console with as its first card. */
async function three(): Promise<GpuHostTree> {
  const host = await GpuHostTree.make()
  await host.pci('0000:02:00.0', { vendor: '0x1a03', device: '0x2000', driver: 'ast', card: 0 })
  await host.nvidia('0000:3b:00.0', { render: 128 })
  await host.pci('0000:63:00.0', { ...AMD, card: 1, render: 129 })
  await host.kfd([{ properties: gpuNode(NODE) }])
  await host.pci('0000:4d:00.0', { ...INTEL, card: 2, render: 130 })
  return host
}

test('of three vendors in one host each has its own render node', async () => {
  const host = await three()
  await fakeNvidiaSmi(host, { rows: [{}] })

  const { devices } = await host.gpus().read()
  expect(devices.map(({ id, nodes }) => [id, nodes])).toEqual([
    [`nvidia:${uuid('0')}`, ['/dev/nvidia0', '/dev/dri/renderD128']],
    ['amd:0000000000000007-0', ['/dev/kfd', '/dev/dri/renderD129']],
    ['intel:0000:4d:00.0', ['/dev/dri/renderD130']]
  ])
})

test('a vendor whose tool hangs takes no other vendor with it', async () => {
  const host = await three()
  await fakeNvidiaSmi(host, { rows: [], mode: 'hang' })

  const { devices } = await host.gpus({ msMax: 300 }).read()
  expect(devices.map(({ vendor, health }) => [vendor, health])).toEqual([
    ['nvidia', 'unhealthy'],
    ['amd', 'ok'],
    ['intel', 'ok']
  ])
})

test('a host without any of them, or without /sys, has no GPU and no warning', async () => {
  const host = await GpuHostTree.make()
  expect(await host.gpus().read()).toEqual({ devices: [], warnings: [] })

  await rm(join(host.root, 'sys'), { recursive: true })
  expect(await host.gpus().read()).toEqual({ devices: [], warnings: [] })
})

test('a host whose folders may not be read has warnings alone', async () => {
  const host = await three()
  for (const path of ['sys/class/drm', 'sys/class/kfd', 'proc/driver/nvidia', 'sys/bus']) {
    await chmod(join(host.root, path), 0o000)
  }

  const { devices, warnings } = await asStranger(() => host.gpus().read())
  for (const path of ['sys/class/drm', 'sys/class/kfd', 'proc/driver/nvidia', 'sys/bus']) {
    await chmod(join(host.root, path), 0o755)
  }
  expect(devices).toEqual([])
  expect(warnings).toContain('/sys/class/drm cannot be read: EACCES')
  expect(warnings.every((warning) => warning.endsWith('cannot be read: EACCES'))).toBe(true)
})

test('a GPU that comes, goes or is reported by the kernel is news, once', async () => {
  const host = await three()
  const gpus = host.gpus()
  expect([await gpus.isNews(), await gpus.isNews()]).toEqual([true, false])

  await host.pci('0000:5e:00.0', { ...INTEL, card: 3, render: 131 })
  expect([await gpus.isNews(), await gpus.isNews()]).toEqual([true, false])

  await host.kernelLog(['NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.'])
  expect([await gpus.isNews(), await gpus.isNews()]).toEqual([true, false])

  await rm(join(host.root, 'sys/class/drm/card3'))
  expect([await gpus.isNews(), await gpus.isNews()]).toEqual([true, false])
  await gpus.close()
})

test('an Xid that the driver asks nothing for is over after two readings', async () => {
  const host = await three()
  await fakeNvidiaSmi(host, { rows: [{}] })
  await host.kernelLog(['NVRM: Xid (PCI:0000:3b:00): 94, Contained memory error'])
  const gpus = host.gpus()

  const health = []
  for (let scan = 0; scan < 3; scan += 1) health.push((await gpus.read()).devices[0]?.health)
  expect(health).toEqual(['unhealthy', 'ok', 'ok'])
  await gpus.close()
})

/** Pieces of what tools print, put together as no tool would. */
const pieces = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.constantFrom(
    ...['\n', ', ', '{', '[', ']', '}', '"', ':', 'null', '9999999999999999999999', '-1', 'NaN'],
    ...[
      'pci.bus_id, uuid, name',
      '00000000:3B:00.0, GPU-x, y',
      'Field "uuid" is not a valid field to query.'
    ],
    ...[
      'GPU 0: x (UUID: GPU-0)',
      '  MIG 1g.5gb  Device  0: (UUID: MIG-1/2)',
      '<gpu id=',
      '<mig_device>'
    ],
    ...['{"gpu_data":[{"bus":{"bdf":"0000:63:00.0"}}]}', '[{"bus":null}]', '{"__proto__":{"x":1}}'],
    ...['{"device_list":[{"device_id":0,"pci_bdf_address":"0000:4d:00.0"}]}', '{"device_list":{}}'],
    ...['{"card0":{"PCI Bus":"0000:63:00.0","Card Series":7}}', 'mig.mode.current', 'Enabled']
  )
)
const outputs = fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join(''))
const answers: fc.Arbitrary<ToolAnswer> = fc.oneof(
  fc.record({
    kind: fc.constant('said'),
    code: fc.constantFrom(0, 1, 255),
    text: outputs,
    beside: outputs
  }),
  fc.constant({ kind: 'absent' }),
  fc.record({ kind: fc.constant('failed'), cause: outputs })
)

test('no text of a tool takes the reader down, or a GPU away, and all of it can be said', async () => {
  const host = await three()
  await fc.assert(
    fc.asyncProperty(fc.array(answers, { minLength: 1, maxLength: 6 }), async (said) => {
      let asked = 0
      const run: RunTool = async () => {
        asked += 1
        return said[asked % said.length] as ToolAnswer
      }
      const { devices } = await new HostGpus({ root: host.root, run }).read()
      expect(devices.length).toBeGreaterThanOrEqual(3)
      expect(asked).toBeLessThan(64)
      expect(gpusProblem(boundedGpus(devices))).toBeUndefined()
    }),
    { numRuns: 60 }
  )
})

test('no text of a file takes the reader down', async () => {
  const paths = [
    'proc/driver/nvidia/version',
    'proc/driver/nvidia/gpus/0000:3b:00.0/information',
    'sys/class/kfd/kfd/topology/nodes/1/properties',
    'sys/class/kfd/kfd/topology/nodes/1/mem_banks/0/properties',
    'sys/devices/pci0000:00/0000:63:00.0/unique_id',
    'sys/devices/pci0000:00/0000:63:00.0/product_name',
    'sys/devices/pci0000:00/0000:63:00.0/numa_node',
    'sys/devices/pci0000:00/0000:4d:00.0/tile0/physical_vram_size_bytes',
    'dev/kmsg'
  ]
  const host = await three()
  const run: RunTool = async () => ({ kind: 'absent' })
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...paths), outputs, async (path, text) => {
      await host.file(path, text)
      const gpus = new HostGpus({ root: host.root, run })
      const { devices } = await gpus.read()
      await gpus.close()
      expect(devices.length).toBeGreaterThanOrEqual(2)
      expect(gpusProblem(boundedGpus(devices))).toBeUndefined()
    }),
    { numRuns: 60 }
  )
})
