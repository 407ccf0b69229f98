import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { GpuDevice } from '../../../../agent/probe/gpu/gpu-device.ts'
import { listMig } from '../../../../agent/probe/gpu/nvidia-mig.ts'
import { toolJson } from '../../../../agent/probe/gpu/tool-json.ts'
import { fakeNvidiaSmi } from '../../../support/fake-nvidia-smi.ts'
import { GpuHostTree, NVIDIA_DRIVER, uuid } from '../../../support/gpu-host.ts'

const MIB = 1_048_576
const BUS = '0000:3b:00.0'

const H100: GpuDevice = {
  id: `nvidia:${uuid('0')}`,
  vendor: 'nvidia',
  model: 'NVIDIA H100 80GB HBM3',
  pci: BUS,
  memoryBytes: 81_559 * MIB,
  sharedMemory: false,
  driver: NVIDIA_DRIVER,
  architecture: 'sm_90',
  numaNode: 1,
  parent: undefined,
  health: 'ok',
  reasons: [],
  nodes: ['/dev/nvidia0', '/dev/dri/renderD128']
}

async function oneH100(): Promise<GpuHostTree> {
  const host = await GpuHostTree.make()
  await host.nvidia(BUS, { numa: 1, render: 128, excluded: 'No' })
  return host
}

test('one GPU is read from the driver, its tool and the bus', async () => {
  const host = await oneH100()
  await fakeNvidiaSmi(host, { rows: [{}] })

  expect(await host.gpus().read()).toEqual({ devices: [H100], warnings: [] })
})

test('columns in another order are the same facts', async () => {
  const host = await oneH100()
  await fakeNvidiaSmi(host, { rows: [{}], mode: 'shuffled' })

  expect((await host.gpus().read()).devices).toEqual([H100])
})

test('columns that a version does not know are asked for no more', async () => {
  const host = await oneH100()
  const unknown = ['gpu_recovery_action', 'remapped_rows.failure', 'compute_cap']
  await fakeNvidiaSmi(host, { rows: [{}], unknown })

  const { devices, warnings } = await host.gpus().read()
  expect(devices).toEqual([{ ...H100, architecture: '' }])
  expect(warnings).toEqual([])
})

test('what a GPU does not have is not known, and no fault', async () => {
  const host = await oneH100()
  const none = {
    compute_cap: '[N/A]',
    'mig.mode.current': '[Not Supported]',
    gpu_recovery_action: 'N/A',
    'ecc.errors.uncorrected.volatile.total': '[N/A]',
    'remapped_rows.pending': '[Insufficient Permissions]',
    'memory.total': '[Unknown Error]'
  }
  await fakeNvidiaSmi(host, { rows: [none] })

  const { devices } = await host.gpus().read()
  expect(devices).toEqual([{ ...H100, architecture: '', memoryBytes: undefined }])
})

test('one that computes in the memory of its host says so', async () => {
  const host = await oneH100()
  await fakeNvidiaSmi(host, { rows: [{ 'memory.total': '[N/A]', compute_cap: '12.1' }] })

  const [device] = (await host.gpus().read()).devices
  expect(device).toMatchObject({ sharedMemory: true, memoryBytes: undefined })
  expect(device).toMatchObject({ architecture: 'sm_121', health: 'ok' })
})

test('two equal GPUs are told apart, and render nodes follow the bus, not the count', async () => {
  const host = await GpuHostTree.make()
  await host.nvidia('0000:3b:00.0', { uuid: uuid('a'), minor: 1, render: 129 })
  await host.nvidia('0000:5e:00.0', { uuid: uuid('b'), minor: 0, render: 128 })
  const rows = [
    { 'pci.bus_id': '00000000:5E:00.0', uuid: uuid('b') },
    { 'pci.bus_id': '00000000:3B:00.0', uuid: uuid('a') }
  ]
  await fakeNvidiaSmi(host, { rows })

  const { devices } = await host.gpus().read()
  const shared = { ...H100, numaNode: undefined }
  expect(devices).toEqual([
    { ...shared, id: `nvidia:${uuid('a')}`, nodes: ['/dev/nvidia1', '/dev/dri/renderD129'] },
    {
      ...shared,
      id: `nvidia:${uuid('b')}`,
      pci: '0000:5e:00.0',
      nodes: ['/dev/nvidia0', '/dev/dri/renderD128']
    }
  ])
})

const LIST = [
  `GPU 0: NVIDIA H100 80GB HBM3 (UUID: ${uuid('0')})`,
  `  MIG 1g.10gb     Device  0: (UUID: ${uuid('1', 'MIG')})`,
  `  MIG 2g.20gb     Device  1: (UUID: ${uuid('2', 'MIG')})`,
  ''
].join('\n')

const DOCUMENT = `<?xml version="1.0" ?>
<nvidia_smi_log>
  <gpu id="00000000:3B:00.0">
    <mig_mode><current_mig>Enabled</current_mig></mig_mode>
    <mig_devices>
      <mig_device>
        <index>0</index><gpu_instance_id>9</gpu_instance_id>
        <compute_instance_id>0</compute_instance_id>
        <ecc_error_count><volatile_count><total>7 MiB</total></volatile_count></ecc_error_count>
        <fb_memory_usage><total>9856 MiB</total><used>12 MiB</used></fb_memory_usage>
      </mig_device>
      <mig_device>
        <index>1</index><gpu_instance_id>3</gpu_instance_id>
        <compute_instance_id>0</compute_instance_id>
        <fb_memory_usage>
          <total>19968 MiB</total>
        </fb_memory_usage>
      </mig_device>
    </mig_devices>
    <uuid>${uuid('0')}</uuid>
    <fb_memory_usage><total>81559 MiB</total></fb_memory_usage>
  </gpu>
</nvidia_smi_log>`

test('of a GPU that is divided its parts are there, with the memory of each, and not the whole', async () => {
  const host = await oneH100()
  const rows = [{ 'mig.mode.current': 'Enabled' }]
  await fakeNvidiaSmi(host, { rows, list: LIST, document: DOCUMENT })

  const { devices, warnings } = await host.gpus().read()
  expect(warnings).toEqual([])
  expect(devices).toEqual([
    {
      ...H100,
      id: `nvidia:${uuid('1', 'MIG')}`,
      model: 'NVIDIA H100 80GB HBM3 MIG 1g.10gb',
      memoryBytes: 9_856 * MIB,
      parent: H100.id
    },
    {
      ...H100,
      id: `nvidia:${uuid('2', 'MIG')}`,
      model: 'NVIDIA H100 80GB HBM3 MIG 2g.20gb',
      memoryBytes: 19_968 * MIB,
      parent: H100.id
    }
  ])
})

test('parts of old drivers have the id of their GPU in theirs', async () => {
  const host = await oneH100()
  const old = `MIG-${uuid('0')}/7/0`
  const list = `GPU 0: NVIDIA A100 (UUID: ${uuid('0')})\n  MIG 1g.5gb Device 0: (UUID: ${old})\n`
  await fakeNvidiaSmi(host, { rows: [{ 'mig.mode.current': 'Enabled' }], list })

  const [part] = (await host.gpus().read()).devices
  expect(part).toMatchObject({ id: `nvidia:${old}`, parent: H100.id, memoryBytes: undefined })
})

test('a GPU that is to be divided and is not takes no job', async () => {
  const host = await oneH100()
  await fakeNvidiaSmi(host, { rows: [{ 'mig.mode.current': 'Enabled' }], list: '' })

  const reasons = ['MIG is on, and no instance is made of it']
  expect((await host.gpus().read()).devices).toEqual([{ ...H100, health: 'unhealthy', reasons }])
})

test('without its tool a GPU is what its driver says, well, and a warning says what is not known', async () => {
  const host = await oneH100()

  const { devices, warnings } = await host.gpus().read()
  expect(devices).toEqual([{ ...H100, memoryBytes: undefined, architecture: '' }])
  expect(warnings).toEqual([
    'nvidia-smi is not here: memory and health of NVIDIA GPUs are not known'
  ])
})

test('a tool that prints nonsense is a warning', async () => {
  const host = await oneH100()
  await fakeNvidiaSmi(host, { rows: [], mode: 'nonsense' })

  const { devices, warnings } = await host.gpus().read()
  expect(devices).toEqual([{ ...H100, memoryBytes: undefined, architecture: '' }])
  expect(warnings).toEqual([
    'nvidia-smi prints no table that can be read: health of NVIDIA GPUs is not known'
  ])
})

test('a tool that cannot speak to its driver makes the GPU ill, with its own words', async () => {
  const host = await oneH100()
  await fakeNvidiaSmi(host, { rows: [], mode: 'nvml' })

  const { devices, warnings } = await host.gpus().read()
  const says = 'nvidia-smi: Failed to initialize NVML: Driver/library version mismatch'
  expect(devices).toMatchObject([{ id: H100.id, health: 'unhealthy', reasons: [says] }])
  expect(warnings).toEqual([says])
})

test('a tool that hangs is ended, the GPU is ill, and nothing else waits', async () => {
  const host = await oneH100()
  await fakeNvidiaSmi(host, { rows: [], mode: 'hang' })

  const { devices } = await host.gpus({ msMax: 300 }).read()
  const reasons = ['nvidia-smi did not end within 0.3 s']
  expect(devices).toMatchObject([{ id: H100.id, health: 'unhealthy', reasons }])
})

test('a tool that prints without end is ended', async () => {
  const host = await oneH100()
  await fakeNvidiaSmi(host, { rows: [], mode: 'flood' })

  const { devices } = await host.gpus({ bytesMax: 10_000 }).read()
  const reasons = ['nvidia-smi printed more than 10000 bytes']
  expect(devices).toMatchObject([{ id: H100.id, health: 'unhealthy', reasons }])
})

test('one lost GPU spoils the answer for all: the others are asked alone', async () => {
  const host = await GpuHostTree.make()
  await host.nvidia('0000:3b:00.0', { uuid: uuid('a') })
  await host.nvidia('0000:5e:00.0', { uuid: uuid('b'), minor: 1 })
  const rows = [
    { 'pci.bus_id': '00000000:3B:00.0', uuid: uuid('a') },
    { 'pci.bus_id': '00000000:5E:00.0', uuid: uuid('b') }
  ]
  await fakeNvidiaSmi(host, { rows, lost: '00000000:3B:00.0' })

  const [lost, well] = (await host.gpus().read()).devices
  expect(lost).toMatchObject({ id: `nvidia:${uuid('a')}`, health: 'unhealthy' })
  expect(lost?.reasons[0]).toContain('GPU is lost')
  expect(well).toMatchObject({ id: `nvidia:${uuid('b')}`, health: 'ok', memoryBytes: 81_559 * MIB })
})

test.each([
  ['gpu_recovery_action', 'Reset', 'its driver wants a recovery: Reset'],
  [
    'ecc.errors.uncorrected.volatile.total',
    '2',
    'uncorrected ECC errors since its driver began: 2'
  ],
  ['remapped_rows.failure', 'Yes', 'a row of its memory could not be remapped'],
  ['remapped_rows.pending', 'Yes', 'a row of its memory waits for a reset'],
  ['retired_pages.pending', 'Yes', 'a page of its memory waits for a reset'],
  ['memory.total', '[GPU is lost]', 'nvidia-smi: GPU is lost']
])('%s %s makes a GPU ill', async (column, value, reason) => {
  const host = await oneH100()
  await fakeNvidiaSmi(host, { rows: [{ [column]: value }] })

  const [device] = (await host.gpus().read()).devices
  expect(device).toMatchObject({ health: 'unhealthy', reasons: [reason] })
})

test('a GPU that its tool does not list is ill', async () => {
  const host = await oneH100()
  await host.nvidia('0000:5e:00.0', { uuid: uuid('b'), minor: 1 })
  await fakeNvidiaSmi(host, { rows: [{}] })

  const [, second] = (await host.gpus().read()).devices
  expect(second).toMatchObject({ pci: '0000:5e:00.0', reasons: ['nvidia-smi has no row for it'] })
})

test('one that its driver could not begin is known by its place on the bus', async () => {
  const host = await GpuHostTree.make()
  await host.nvidia(BUS, { uuid: 'GPU-????????-????-????-????-????????????' })
  await fakeNvidiaSmi(host, { rows: [{ 'pci.bus_id': '00000000:99:00.0' }] })

  const [first] = (await host.gpus().read()).devices
  expect(first).toMatchObject({ id: `nvidia:${BUS}`, health: 'unhealthy' })
  expect(first?.reasons).toContain('its driver gives it no UUID')
})

test('one that its owner excluded is none', async () => {
  const host = await GpuHostTree.make()
  await host.nvidia(BUS, { excluded: 'Yes' })

  expect((await host.gpus().read()).devices).toEqual([])
})

test('without the folder of /proc the tool alone says what there is', async () => {
  const host = await oneH100()
  await rm(join(host.root, 'proc/driver'), { recursive: true })
  await fakeNvidiaSmi(host, { rows: [{}] })

  const { devices } = await host.gpus().read()
  expect(devices).toEqual([{ ...H100, nodes: ['/dev/dri/renderD128'] }])
})

test("with a driver that is not NVIDIA's there is no GPU, and a warning says why", async () => {
  const host = await GpuHostTree.make()
  const gpu = { vendor: '0x10de', device: '0x2330' }
  await host.pci('0000:01:00.0', { ...gpu, driver: 'nouveau', card: 0, render: 128 })
  await host.pci('0000:02:00.0', { ...gpu, driver: 'vfio-pci' })
  await host.pci('0000:03:00.0', gpu)

  const { devices, warnings } = await host.gpus().read()
  expect(devices).toEqual([])
  expect(warnings).toEqual([
    "the NVIDIA device 0000:01:00.0 has the driver nouveau: jobs get it with NVIDIA's own alone",
    "the NVIDIA device 0000:03:00.0 has no driver: jobs get it with NVIDIA's own alone"
  ])
})

test('a host that only has the tool installed is not asked', async () => {
  const host = await GpuHostTree.make()
  await fakeNvidiaSmi(host, { rows: [], mode: 'nvml' })

  expect(await host.gpus().read()).toEqual({ devices: [], warnings: [] })
})

test('an Xid of the hardware makes a GPU ill, one of a program does not', async () => {
  const host = await oneH100()
  await fakeNvidiaSmi(host, { rows: [{}], unknown: ['gpu_recovery_action'] })
  await host.kernelLog([
    'NVRM: Xid (PCI:0000:3b:00): 31, pid=812, name=python3, Ch 00000008, MMU Fault',
    'NVRM: Xid (PCI:0000:5e:00): 79, pid=0, GPU has fallen off the bus.',
    'NVRM: Xid (PCI:0000:3b:00): 48, pid=812, DBE (double bit error) ECC Error'
  ])

  const reasons = ['Xid 48: a double-bit error of its memory']
  expect((await host.gpus().read()).devices).toEqual([{ ...H100, health: 'unhealthy', reasons }])
})

test('a list of parts that never ends is read to a thousand of them', async () => {
  const lines = Array.from({ length: 60_000 }, (_, index) => {
    return `  MIG 1g.5gb  Device  0: (UUID: MIG-${index})`
  })
  const text = [`GPU 0: x (UUID: ${uuid('0')})`, ...lines].join('\n')
  const { parts } = await listMig(async () => ({ kind: 'said', code: 0, text, beside: '' }))
  expect([...parts.values()].map(({ length }) => length)).toEqual([1_024])
})

test('a document is found behind warnings that begin as one does', () => {
  expect(toolJson('[WARN] x\n{torn\n[\n{"gpu": 0}\n]')).toEqual([{ gpu: 0 }])
  expect(toolJson('[\n'.repeat(2_000_000))).toBeUndefined()
})
