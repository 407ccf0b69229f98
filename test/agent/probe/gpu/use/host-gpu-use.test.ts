import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { LeasedGpu } from '../../../../../agent/execute/gpu/leased-gpu.ts'
import { toolRunner } from '../../../../../agent/probe/gpu/tools.ts'
import { type GpuTenant, HostGpuUse } from '../../../../../agent/probe/gpu/use/host-gpu-use.ts'
import { fakeNvidiaSmi } from '../../../../support/fake-nvidia-smi.ts'
import { type GpuHostTree, uuid } from '../../../../support/gpu-host.ts'
import {
  AMD_ADDRESS,
  amdHost,
  eightParts,
  INTEL_ADDRESS,
  intelHost,
  migHost,
  nvidiaHost
} from '../../../../support/gpu-hosts.ts'

const MIB = 1_048_576
const CONTAINER = 'ab'.repeat(32)
const OTHER = 'cd'.repeat(32)
const PMON = [
  '# gpu         pid   type     sm    mem    enc    dec    jpg    ofa    command ',
  '# Idx           #    C/G      %      %      %      %      %      %    name ',
  '    0         100     C     60     10      -      -      -      -    train, a lot  ',
  '    0         101     C      -      -      -      -      -      -    idle           ',
  '    0         200     C     25      3      -      -      -      -    other          ',
  ''
].join('\n')

/** A container with these processes, and one with 200 beside it. */
async function containers(host: GpuHostTree, ...pids: readonly number[]): Promise<void> {
  for (const [id, all] of [[CONTAINER, pids] as const, [OTHER, [200]] as const]) {
    await host.file(`sys/fs/cgroup/docker/${id}/cgroup.procs`, `${all.join('\n')}\n`)
    for (const pid of all) await host.file(`proc/${pid}/cgroup`, `0::/docker/${id}\n`)
  }
}

/** A GPU's node that a process has open, and what the kernel says of it. */
async function opened(
  host: GpuHostTree,
  pid: number,
  node: string,
  client: number,
  ...more: string[]
) {
  const fd = join(host.root, `proc/${pid}/fd`)
  await mkdir(fd, { recursive: true })
  await symlink(node, join(fd, String(client))).catch(() => undefined)
  const text = [`drm-client-id:\t${client}`, ...more].join('\n')
  await host.file(`proc/${pid}/fdinfo/${client}`, `${text}\n`)
}

async function using(host: GpuHostTree, share?: number) {
  const { devices } = await host.gpus().read()
  let nowMs = 0
  const run = toolRunner({ folders: [host.tools] })
  const use = new HostGpuUse({ root: host.root, run, nowMs: () => nowMs })
  const leased = devices.map((device): LeasedGpu => ({ device, share }))
  const tenant = (gpus = leased): GpuTenant => ({
    jobId: 'J.0',
    container: CONTAINER,
    first: 100,
    gpus
  })
  const read = async (tenants: readonly GpuTenant[] = [tenant()]) => {
    nowMs += 5_000
    const { devices: seen, jobs } = await use.read(devices, tenants)
    return { devices: [...seen.values()], job: jobs.get('J.0') }
  }
  return { read, tenant, leased, devices, use }
}

test("of a whole GPU of NVIDIA's the job has its time, and the memory of its own processes", async () => {
  const host = await nvidiaHost()
  await containers(host, 100, 101)
  const row = { 'utilization.gpu': '87', 'memory.used': '20000', 'power.draw': '431.6' }
  const apps = [`${uuid('0')}, 100, 7484`, `${uuid('0')}, 101, 16`, `${uuid('0')}, 200, 900`]
  await fakeNvidiaSmi(host, { rows: [row], processes: apps })

  const { devices, job } = await (await using(host)).read()
  expect(devices).toEqual([
    { busyPercent: 87, memoryBytes: 20_000 * MIB, powerWatts: 432, temperature: 31 }
  ])
  expect(job).toEqual([{ gpu: `nvidia:${uuid('0')}`, busyPercent: 87, memoryBytes: 7_500 * MIB }])
})

test('of a shared one the job has the time of its processes alone', async () => {
  const host = await nvidiaHost()
  await containers(host, 100, 101)
  const apps = [`${uuid('0')}, 100, 7484`, `${uuid('0')}, 101, 16`, `${uuid('0')}, 200, 900`]
  await fakeNvidiaSmi(host, { rows: [{ 'utilization.gpu': '85' }], processes: apps, times: PMON })

  const { job } = await (await using(host, 0.5)).read()
  expect(job).toEqual([{ gpu: `nvidia:${uuid('0')}`, busyPercent: 60, memoryBytes: 7_500 * MIB }])
})

test('of a part the memory is known and the time is not: both are listed by its GPU', async () => {
  const host = await migHost()
  await containers(host, 100)
  const list = [
    `GPU 0: NVIDIA H100 80GB HBM3 (UUID: ${uuid('0')})`,
    `  MIG 1g.10gb     Device  0: (UUID: ${uuid('1', 'MIG')})`,
    ''
  ].join('\n')
  const document = `<gpu id="0"><mig_devices><mig_device><index>0</index><fb_memory_usage>
    <total>9856 MiB</total><used>612 MiB</used></fb_memory_usage></mig_device></mig_devices>
    <uuid>${uuid('0')}</uuid><fb_memory_usage><used>5 MiB</used></fb_memory_usage></gpu>`
  const rows = [{ 'mig.mode.current': 'Enabled', 'utilization.gpu': '[N/A]' }]
  const processes = [`${uuid('0')}, 100, 600`, `${uuid('0')}, 200, 70`]
  await fakeNvidiaSmi(host, { rows, list, document, processes })

  const { devices, job } = await (await using(host)).read()
  expect(devices).toMatchObject([{ busyPercent: undefined, memoryBytes: 612 * MIB }])
  const gpu = `nvidia:${uuid('1', 'MIG')}`
  expect(job).toEqual([{ gpu, busyPercent: undefined, memoryBytes: 600 * MIB }])
})

test("a tool that hangs leaves NVIDIA's use unknown", async () => {
  const host = await nvidiaHost()
  await containers(host, 100)
  const { devices } = await host.gpus().read()
  await fakeNvidiaSmi(host, { rows: [], mode: 'hang' })
  const run = toolRunner({ folders: [host.tools], msMax: 200 })
  const use = new HostGpuUse({ root: host.root, run, nowMs: () => 0 })
  const gpus = devices.map((device) => ({ device }))

  const seen = await use.read(devices, [{ jobId: 'J.0', container: CONTAINER, first: 100, gpus }])
  expect([...seen.devices.values()]).toMatchObject([{ busyPercent: undefined }])
  expect(seen.jobs.get('J.0')).toMatchObject([{ busyPercent: undefined, memoryBytes: undefined }])
})

test('of Intel’s a client that a fork shares is counted once, and others’ not at all', async () => {
  const host = await intelHost()
  await containers(host, 100, 101)
  const node = '/dev/dri/renderD129'
  const of = (pid: number, client: number, ns: number) =>
    opened(
      host,
      pid,
      node,
      client,
      ...[
        `drm-pdev:\t${INTEL_ADDRESS}`,
        'drm-total-local0:\t64 MiB',
        `drm-engine-compute:\t${ns} ns`
      ]
    )
  await of(100, 5, 0)
  await of(101, 5, 0)
  await of(200, 6, 0)
  const { read } = await using(host)
  expect((await read()).job).toMatchObject([{ busyPercent: undefined, memoryBytes: 64 * MIB }])

  await of(100, 5, 2_000_000_000)
  await of(101, 5, 2_000_000_000)
  await of(200, 6, 5_000_000_000)
  expect((await read()).job).toEqual([
    { gpu: `intel:${INTEL_ADDRESS}`, busyPercent: 40, memoryBytes: 64 * MIB }
  ])
})

test('of Intel’s that no job has the use of all processes is the GPU’s', async () => {
  const host = await intelHost()
  await containers(host, 100)
  const of = (ns: number) =>
    opened(
      host,
      200,
      '/dev/dri/renderD129',
      6,
      ...[`drm-pdev:\t${INTEL_ADDRESS}`, `drm-engine-render:\t${ns} ns`]
    )
  await of(0)
  const { read } = await using(host)
  await read([])
  await of(1_000_000_000)

  expect((await read([])).devices).toMatchObject([{ busyPercent: 20 }])
})

test("of AMD's the compute driver says who has what, and the card how busy it is", async () => {
  const host = await amdHost()
  await containers(host, 100)
  const card = `sys/bus/pci/devices/${AMD_ADDRESS}`
  await host.file(`${card}/gpu_busy_percent`, '73\n')
  await host.file(`${card}/mem_info_vram_used`, `${900 * MIB}\n`)
  await host.file(`${card}/hwmon/hwmon3/power1_average`, '231000000\n')
  await host.file(`${card}/hwmon/hwmon3/temp1_input`, '54000\n')
  await host.file('sys/class/kfd/kfd/proc/100/vram_16000', `${700 * MIB}\n`)
  await host.file('sys/class/kfd/kfd/proc/200/vram_16000', `${90 * MIB}\n`)
  // The same memory as the graphics see it.
  const seen = [`drm-pdev:\t${AMD_ADDRESS}`, 'drm-memory-vram:\t650 MiB', 'drm-engine-gfx:\t0 ns']
  await opened(host, 100, '/dev/dri/renderD130', 3, ...seen)

  const { devices, job } = await (await using(host)).read()
  expect(devices).toEqual([
    { busyPercent: 73, memoryBytes: 900 * MIB, powerWatts: 231, temperature: 54 }
  ])
  expect(job).toEqual([{ gpu: 'amd:1901ead3a2ecd4a6-0', busyPercent: 73, memoryBytes: 700 * MIB }])
})

test('of one of eight parts a job has the memory of that part, by its own number', async () => {
  const host = await eightParts()
  await containers(host, 100)
  await host.file('sys/bus/pci/devices/0000:05:00.0/gpu_busy_percent', '99\n')
  await host.file('sys/class/kfd/kfd/proc/100/vram_16002', `${300 * MIB}\n`)
  await host.file('sys/class/kfd/kfd/proc/200/vram_16003', `${500 * MIB}\n`)
  const { read, tenant, leased } = await using(host)

  const { devices, job } = await read([tenant(leased.slice(2, 4))])
  expect(job).toEqual([
    { gpu: 'amd:1901ead3a2ecd4a6-2', busyPercent: undefined, memoryBytes: 300 * MIB },
    { gpu: 'amd:1901ead3a2ecd4a6-3', busyPercent: undefined, memoryBytes: undefined }
  ])
  expect(devices[3]).toMatchObject({ busyPercent: undefined, memoryBytes: 500 * MIB })
})

test('who has a GPU open is found by its own node, and what is in use by its driver', async () => {
  const host = await amdHost()
  await host.file(`sys/bus/pci/devices/${AMD_ADDRESS}/mem_info_vram_used`, `${8 * MIB}\n`)
  await opened(host, 100, '/dev/dri/renderD130', 3)
  await opened(host, 200, '/dev/dri/renderD131', 3)
  await opened(host, 300, '/dev/kfd', 3)
  const { use, devices } = await using(host)

  const [device] = devices
  if (device === undefined) throw new Error('no GPU')
  expect(await use.standing(device)).toEqual({ holders: new Set([100]), memoryBytes: 8 * MIB })
})

test('on a host of thousands of processes the one that holds a GPU is found', async () => {
  const host = await intelHost()
  // By their names those before it are more than a folder of GPUs ever has.
  const others = Array.from({ length: 2_000 }, (_, index) => 1_000 + index)
  await Promise.all(others.map((pid) => mkdir(join(host.root, `proc/${pid}`), { recursive: true })))
  await opened(host, 9_999, '/dev/dri/renderD129', 7)
  const { use, devices } = await using(host)

  const [device] = devices
  if (device === undefined) throw new Error('no GPU')
  expect((await use.standing(device)).holders).toEqual(new Set([9_999]))
})

test('an open GPU counts however many files its process has open', async () => {
  const host = await intelHost()
  const fd = join(host.root, 'proc/100/fd')
  await mkdir(fd, { recursive: true })
  const others = Array.from({ length: 1_500 }, (_, index) => 1_000 + index)
  await Promise.all(others.map((number) => symlink('/dev/null', join(fd, String(number)))))
  await opened(host, 100, '/dev/dri/renderD129', 7)
  const { use, devices } = await using(host)

  const [device] = devices
  if (device === undefined) throw new Error('no GPU')
  expect((await use.standing(device)).holders).toEqual(new Set([100]))
})
