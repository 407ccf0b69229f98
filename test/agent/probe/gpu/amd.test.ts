import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { GpuDevice } from '../../../../agent/probe/gpu/gpu-device.ts'
import { asStranger } from '../../../support/as-stranger.ts'
import { GpuHostTree, gpuNode, KERNEL } from '../../../support/gpu-host.ts'

const GIB = 2 ** 30
const BUS = '0000:63:00.0'
/** Above 2^53: as a number it would be another GPU's. */
const ID = 0x1901_ead3_a2ec_d4a6n
const NEXT_ID = ID + 1n

const MI210: GpuDevice = {
  id: 'amd:1901ead3a2ecd4a6-0',
  vendor: 'amd',
  model: 'AMD Instinct MI210',
  pci: BUS,
  memoryBytes: 64 * GIB,
  sharedMemory: false,
  driver: KERNEL,
  architecture: 'gfx90a',
  numaNode: 1,
  parent: undefined,
  health: 'ok',
  reasons: [],
  nodes: ['/dev/kfd', '/dev/dri/renderD128']
}

const FILES = {
  unique_id: '1901ead3a2ecd4a6\n',
  product_name: 'AMD Instinct MI210\n',
  mem_info_vram_total: `${64 * GIB - 4_096}\n`,
  'ras/umc_err_count': 'ue: 0\nce: 3\n'
}
const CARD = { vendor: '0x1002', device: '0x740f', class: '0x038000', driver: 'amdgpu', numa: 1 }
/** 0x6300 */
const NODE = { gfx_target_version: 90_010, location_id: 25_344, drm_render_minor: 128 }

async function oneMi210(files: Readonly<Record<string, string>> = FILES): Promise<GpuHostTree> {
  const host = await GpuHostTree.make()
  await host.pci(BUS, { ...CARD, card: 0, render: 128, files })
  await host.kfd([{ properties: gpuNode({ ...NODE, unique_id: ID }), memory: 64 * GIB }])
  return host
}

test('one GPU is read from the graphics and the compute driver, without a tool', async () => {
  const host = await oneMi210()
  await host.tool('amd-smi', 'exit 1')

  expect(await host.gpus().read()).toEqual({ devices: [MI210], warnings: [] })
})

test('two equal GPUs whose ids differ in their last bit alone are two', async () => {
  const host = await oneMi210()
  const files = { ...FILES, unique_id: `${NEXT_ID.toString(16)}\n` }
  await host.pci('0000:43:00.0', { ...CARD, card: 1, render: 129, files })
  const second = { ...NODE, location_id: 0x4300, drm_render_minor: 129, unique_id: NEXT_ID }
  await host.kfd([
    { properties: gpuNode({ ...NODE, unique_id: ID }), memory: 64 * GIB },
    { properties: gpuNode(second), memory: 64 * GIB }
  ])

  expect((await host.gpus().read()).devices).toEqual([
    {
      ...MI210,
      id: 'amd:1901ead3a2ecd4a7-0',
      pci: '0000:43:00.0',
      nodes: ['/dev/kfd', '/dev/dri/renderD129']
    },
    MI210
  ])
})

test('without an id of its own a GPU is known by its place on the bus', async () => {
  const host = await GpuHostTree.make()
  const files = { product_name: '\n', mem_info_vram_total: `${32 * GIB}\n` }
  await host.pci(BUS, { ...CARD, device: '0x7550', card: 0, render: 128, files })
  const node = { ...NODE, gfx_target_version: 120_001, unique_id: 0 }
  await host.kfd([{ properties: gpuNode(node), memory: 32 * GIB }])

  expect(await host.gpus().read()).toEqual({
    devices: [
      {
        ...MI210,
        id: `amd:${BUS}`,
        model: 'AMD gfx1201 (1002:7550)',
        memoryBytes: 32 * GIB,
        architecture: 'gfx1201'
      }
    ],
    warnings: []
  })
})

test('eight parts of one GPU are eight, each with its own render node and memory', async () => {
  const host = await GpuHostTree.make()
  const bus = '0000:05:00.0'
  const files = {
    ...FILES,
    product_name: 'AMD Instinct MI300X\n',
    current_compute_partition: 'CPX\n'
  }
  await host.pci(bus, { ...CARD, device: '0x74a1', card: 1, render: 128, files })
  const parts = Array.from({ length: 8 }, (_, index) => ({
    properties: gpuNode({
      gfx_target_version: 90_402,
      location_id: 1_280 + index,
      drm_render_minor: 128 + index,
      unique_id: ID
    }),
    memory: 24 * GIB
  }))
  await host.kfd(parts)
  // One that stayed behind from another division, in no part's name.
  for (const minor of [129, 130, 131, 132, 133, 134, 135, 140]) {
    const platform = `sys/devices/platform/amdgpu_xcp_${minor}/drm/renderD${minor}`
    await host.file(`${platform}/dev`, `226:${minor}\n`)
    await host.link(`sys/class/drm/renderD${minor}`, platform)
  }

  expect((await host.gpus().read()).devices).toEqual(
    parts.map((_, index) => ({
      ...MI210,
      id: `amd:1901ead3a2ecd4a6-${index}`,
      model: 'AMD Instinct MI300X',
      pci: bus,
      memoryBytes: 24 * GIB,
      architecture: 'gfx942',
      parent: 'amd:1901ead3a2ecd4a6',
      nodes: ['/dev/kfd', `/dev/dri/renderD${128 + index}`]
    }))
  )
})

test('render nodes out of order go with their card, and the first card is not always a GPU', async () => {
  const host = await GpuHostTree.make()
  await host.pci('0000:02:00.0', { vendor: '0x1a03', device: '0x2000', driver: 'ast', card: 0 })
  await host.pci(BUS, { ...CARD, card: 1, render: 130, files: FILES })
  // As it is in a container: the number of the host, not of this node.
  const node = { ...NODE, drm_render_minor: 128, unique_id: ID }
  await host.kfd([{ properties: gpuNode(node), memory: 64 * GIB }])

  expect((await host.gpus().read()).devices).toEqual([
    { ...MI210, nodes: ['/dev/kfd', '/dev/dri/renderD130'] }
  ])
})

test('a server with the graphics of its management controller alone has no GPU', async () => {
  const host = await GpuHostTree.make()
  await host.pci('0000:02:00.0', { vendor: '0x1a03', device: '0x2000', driver: 'ast', card: 0 })

  expect(await host.gpus().read()).toEqual({ devices: [], warnings: [] })
})

test('a GPU in one package with the CPU has no memory of its own', async () => {
  const host = await GpuHostTree.make()
  const files = { mem_info_vram_total: `${GIB / 2}\n`, product_name: '' }
  await host.pci('0000:c4:00.0', { ...CARD, device: '0x15bf', card: 0, render: 128, files })
  const node = { ...NODE, gfx_target_version: 110_003, location_id: 0xc400, unique_id: 0 }
  await host.kfd([{ properties: gpuNode(node) }])

  const [device] = (await host.gpus().read()).devices
  expect(device).toMatchObject({ architecture: 'gfx1103', sharedMemory: true })
  expect(device).toMatchObject({ memoryBytes: undefined })
})

test('without the compute driver a GPU is what the graphics say, with a warning', async () => {
  const host = await GpuHostTree.make()
  await host.pci(BUS, { ...CARD, card: 0, render: 128, files: FILES })

  expect(await host.gpus().read()).toEqual({
    devices: [
      { ...MI210, architecture: '', memoryBytes: 64 * GIB - 4_096, nodes: ['/dev/dri/renderD128'] }
    ],
    warnings: ["AMD's compute driver (/dev/kfd) is not loaded: ROCm does not run"]
  })
})

test('files that may not be read are a warning, and the GPU is what the others say', async () => {
  const host = await oneMi210()
  const node = 'sys/class/kfd/kfd/topology/nodes/1'
  const shut = [
    `${node}/gpu_id`,
    `${node}/properties`,
    'sys/devices/pci0000:00/0000:63:00.0/product_name'
  ]
  for (const path of shut) await chmod(join(host.root, path), 0o000)

  const { devices, warnings } = await asStranger(() => host.gpus().read())
  expect(devices).toEqual([
    {
      ...MI210,
      model: 'AMD GPU (1002:740f)',
      architecture: '',
      memoryBytes: 64 * GIB - 4_096,
      nodes: ['/dev/dri/renderD128']
    }
  ])
  expect(warnings).toEqual([
    `/${node}/properties cannot be read: EACCES`,
    '/sys/class/drm/card0/device/product_name cannot be read: EACCES'
  ])
})

test('a number of the compute driver that may not be read changes nothing', async () => {
  const host = await oneMi210()
  await chmod(join(host.root, 'sys/class/kfd/kfd/topology/nodes/1/gpu_id'), 0o000)

  expect(await asStranger(() => host.gpus().read())).toEqual({ devices: [MI210], warnings: [] })
})

const { product_name: _name, mem_info_vram_total: _memory, ...UNNAMED } = FILES

async function unnamed(): Promise<GpuHostTree> {
  const host = await GpuHostTree.make()
  await host.pci(BUS, { ...CARD, card: 0, render: 128, files: UNNAMED })
  await host.kfd([{ properties: gpuNode({ ...NODE, unique_id: ID }) }])
  return host
}

const STATIC = [
  {
    gpu: 0,
    asic: { market_name: 'AMD Instinct MI210' },
    bus: { bdf: BUS },
    vram: { size: { value: 65_536, unit: 'MB' } }
  }
]

test.each([
  ['a list', STATIC],
  ['a list within a document', { gpu_data: STATIC }]
])('amd-smi says what the kernel does not, as %s, and is asked once', async (_, document) => {
  const host = await unnamed()
  await host.tool(
    'amd-smi',
    `echo 'WARNING: [not] in the group render'\ncat <<'X'\n${JSON.stringify(document)}\nX`
  )
  const gpus = host.gpus()

  expect(await gpus.read()).toEqual({ devices: [MI210], warnings: [] })
  await host.tool('amd-smi', 'exit 1')
  expect((await gpus.read()).devices).toEqual([MI210])
})

test('where amd-smi fails the tool before it is asked, and a warning says so', async () => {
  const host = await unnamed()
  await host.tool('amd-smi', 'echo "Traceback: no driver"; exit 1')
  const card = {
    'PCI Bus': '0000:63:00.0',
    'Card series': 'AMD Instinct MI210',
    'VRAM Total Memory (B)': String(64 * GIB)
  }
  const document = JSON.stringify({ card0: card, system: { 'Driver version': '6.7.0' } })
  await host.tool('rocm-smi', `cat <<'X'\n${document}\nX`)

  expect(await host.gpus().read()).toEqual({
    devices: [MI210],
    warnings: ['amd-smi names no GPU (exit code 1)']
  })
})

test('tools that hang cost their warning, and the GPU has the name that the kernel gives', async () => {
  const host = await unnamed()
  await host.tool('amd-smi', 'exec sleep 600')

  const { devices, warnings } = await host.gpus({ msMax: 300 }).read()
  expect(devices).toEqual([{ ...MI210, model: 'AMD gfx90a (1002:740f)', memoryBytes: undefined }])
  expect(warnings).toEqual(['amd-smi did not end within 0.3 s'])
})

test('uncorrected errors make a GPU ill, corrected ones do not', async () => {
  const host = await oneMi210({ ...FILES, 'ras/umc_err_count': 'ue: 2\nce: 0\n' })

  const reasons = ['uncorrected errors of its umc: 2']
  expect((await host.gpus().read()).devices).toEqual([{ ...MI210, health: 'unhealthy', reasons }])
})

test('a reset that failed makes a GPU ill, and one that succeeds makes it well', async () => {
  const host = await oneMi210()
  const failed = 'amdgpu 0000:63:00.0: amdgpu: GPU reset end with ret = -62'
  await host.kernelLog([failed])
  const [ill] = (await host.gpus().read()).devices
  expect(ill?.reasons).toEqual(["its reset failed (-62), by the kernel's log"])

  await host.kernelLog([failed, 'amdgpu 0000:63:00.0: amdgpu: GPU reset(4) succeeded!'])
  expect((await host.gpus().read()).devices).toEqual([MI210])
})
