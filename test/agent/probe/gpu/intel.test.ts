import { expect, test } from 'vitest'
import type { GpuDevice } from '../../../../agent/probe/gpu/gpu-device.ts'
import { GpuHostTree, KERNEL } from '../../../support/gpu-host.ts'

const GIB = 2 ** 30
const BUS = '0000:4d:00.0'

const FLEX: GpuDevice = {
  id: `intel:${BUS}`,
  vendor: 'intel',
  model: 'Intel(R) Data Center GPU Flex 170',
  pci: BUS,
  memoryBytes: 16 * GIB,
  sharedMemory: false,
  driver: KERNEL,
  architecture: '',
  numaNode: 0,
  parent: undefined,
  health: 'ok',
  reasons: [],
  nodes: ['/dev/dri/renderD129']
}

const CARD = { vendor: '0x8086', device: '0x56c0', class: '0x038000', driver: 'i915', numa: 0 }

interface Xpu {
  readonly status?: string
  readonly memory?: string | number
}

/** xpu-smi with one device, which it numbers 0. */
async function xpuSmi(host: GpuHostTree, { status = 'OK', memory = 16 * GIB }: Xpu = {}) {
  const device = {
    device_id: 0,
    device_name: FLEX.model,
    pci_bdf_address: BUS,
    drm_device: '/dev/dri/card1'
  }
  const list = JSON.stringify({ device_list: [device] })
  const details = JSON.stringify({ ...device, memory_physical_size_byte: memory })
  const parts = {
    core_temperature: { status: 'Warning', description: 'it is warm' },
    memory: { status, description: 'The memory is degraded.' }
  }
  const health = JSON.stringify({ device_list: [{ device_id: 0, ...parts }] })
  await host.tool(
    'xpu-smi',
    `case "$1 $2" in\n"discovery -j") echo '${list}' ;;\n"discovery -d") echo '${details}' ;;\n` +
      `"health -l") echo '${health}' ;;\n*) exit 1 ;;\nesac`
  )
}

async function oneFlex(): Promise<GpuHostTree> {
  const host = await GpuHostTree.make()
  await host.pci(BUS, { ...CARD, card: 1, render: 129 })
  return host
}

test.each<readonly [string, string | number]>([
  ['a number', 16 * GIB],
  ['a text', String(16 * GIB)]
])('a card of i915 is read, with its memory by xpu-smi as %s', async (_, memory) => {
  const host = await oneFlex()
  await xpuSmi(host, { memory })

  expect(await host.gpus().read()).toEqual({ devices: [FLEX], warnings: [] })
})

test('without xpu-smi a card of i915 has a number for its name, and no memory that is known', async () => {
  const host = await oneFlex()

  expect(await host.gpus().read()).toEqual({
    devices: [{ ...FLEX, model: 'Intel GPU (8086:56c0)', memoryBytes: undefined }],
    warnings: []
  })
})

test('a card of xe has the memory of its tiles', async () => {
  const host = await GpuHostTree.make()
  const half = `0x${(6 * GIB).toString(16)}\n`
  const files = { 'tile0/physical_vram_size_bytes': half, 'tile1/physical_vram_size_bytes': half }
  const xe = { ...CARD, device: '0xe20b', driver: 'xe', card: 0, render: 128, files }
  await host.pci('0000:03:00.0', xe)

  expect((await host.gpus().read()).devices).toEqual([
    {
      ...FLEX,
      id: 'intel:0000:03:00.0',
      model: 'Intel GPU (8086:e20b)',
      pci: '0000:03:00.0',
      memoryBytes: 12 * GIB,
      nodes: ['/dev/dri/renderD128']
    }
  ])
})

test('a GPU in the CPU has no memory of its own, whatever a tool says', async () => {
  const host = await GpuHostTree.make()
  const pci = '0000:00:02.0'
  await host.pci(pci, { ...CARD, device: '0x9a49', card: 0, render: 128, numa: -1 })

  expect((await host.gpus().read()).devices).toEqual([
    {
      ...FLEX,
      id: `intel:${pci}`,
      model: 'Intel GPU (8086:9a49)',
      pci,
      memoryBytes: undefined,
      sharedMemory: true,
      numaNode: undefined,
      nodes: ['/dev/dri/renderD128']
    }
  ])
})

test('of a GPU that is given to virtual functions those are there, and it is not', async () => {
  const host = await GpuHostTree.make()
  const whole = { ...CARD, card: 0, render: 128, files: { sriov_numvfs: '2\n' } }
  await host.pci(BUS, whole)
  for (const [index, driver] of ['i915', 'vfio-pci'].entries()) {
    const address = `0000:4d:00.${index + 1}`
    const nodes = driver === 'i915' ? { card: 1, render: 129 } : {}
    await host.pci(address, { ...CARD, driver, ...nodes })
    await host.link(`sys/devices/pci0000:00/${address}/physfn`, `sys/devices/pci0000:00/${BUS}`)
  }

  expect((await host.gpus().read()).devices).toEqual([
    {
      ...FLEX,
      id: 'intel:0000:4d:00.1',
      model: 'Intel GPU (8086:56c0)',
      pci: '0000:4d:00.1',
      memoryBytes: undefined,
      parent: `intel:${BUS}`
    }
  ])
})

test('what xpu-smi calls critical makes a GPU ill, a warning of it does not', async () => {
  const host = await oneFlex()
  await xpuSmi(host, { status: 'Critical' })

  const reasons = ['xpu-smi: memory is critical: The memory is degraded.']
  expect((await host.gpus().read()).devices).toEqual([{ ...FLEX, health: 'unhealthy', reasons }])
})

test('a GPU that its driver gave up is ill', async () => {
  const host = await oneFlex()
  await xpuSmi(host)
  await host.kernelLog([`xe ${BUS}: [drm] CRITICAL: Xe has declared device ${BUS} as wedged.`])

  const [device] = (await host.gpus().read()).devices
  expect(device?.reasons).toEqual(["its driver gave it up (wedged), by the kernel's log"])
})

test('an xpu-smi that fails or hangs costs a warning', async () => {
  const host = await oneFlex()
  await host.tool('xpu-smi', 'echo "Error: Level Zero Initialization Error"; exit 1')
  const plain = { ...FLEX, model: 'Intel GPU (8086:56c0)', memoryBytes: undefined }
  const warnings = ['xpu-smi discovery lists no GPU (exit code 1)']
  expect(await host.gpus().read()).toEqual({ devices: [plain], warnings })

  await host.tool('xpu-smi', 'exec sleep 600')
  const slow = ['xpu-smi did not end within 0.3 s']
  expect(await host.gpus({ msMax: 300 }).read()).toEqual({ devices: [plain], warnings: slow })
})
