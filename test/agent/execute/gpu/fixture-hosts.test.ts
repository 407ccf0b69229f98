import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { DeviceNode } from '../../../../agent/execute/gpu/device-node.ts'
import type { GpuParts } from '../../../../agent/execute/gpu/gpu-parts.ts'
import { type GpuEngine, GpuPassage } from '../../../../agent/execute/gpu/gpu-passage.ts'
import { STANDARD } from '../../../../agent/execute/profile-standard.ts'
import { containerBody, type SandboxRequest } from '../../../../agent/execute/sandbox-profile.ts'
import type { GpuDevice } from '../../../../agent/probe/gpu/gpu-device.ts'
import { toolRunner } from '../../../../agent/probe/gpu/tools.ts'
import { boundedGpus, type Gpu } from '../../../../protocol/core/gpu.ts'
import { asStranger } from '../../../support/as-stranger.ts'
import { fakeNvidiaSmi } from '../../../support/fake-nvidia-smi.ts'
import { type GpuHostTree, KERNEL, NVIDIA_DRIVER, uuid } from '../../../support/gpu-host.ts'
import {
  byNodes,
  byNvidia,
  byRequest,
  NO_GPU_ENV,
  nvidiaEnv
} from '../../../support/gpu-host-config.ts'
import {
  AMD_ADDRESS,
  amdHost,
  behindBmc,
  eightParts,
  INTEL_ADDRESS,
  intelHost,
  migHost,
  NVIDIA_ADDRESS,
  nvidiaHost,
  twoVendors,
  unordered,
  withoutIds
} from '../../../support/gpu-hosts.ts'

const GIB = 2 ** 30
const MIB = 2 ** 20
/** `render`, as Debian numbers it, and `video`. */
const RENDER = 109
const VIDEO = 44

const PLAIN: GpuEngine = {
  cdiDevices: [],
  cdiFolders: [],
  security: new Set(['seccomp']),
  rootDir: '/var/lib/docker'
}
const WITH_CDI: GpuEngine = {
  ...PLAIN,
  cdiDevices: ['0', '0:0', '0:1', uuid('0'), uuid('1', 'MIG'), uuid('2', 'MIG')].map(
    (name) => `nvidia.com/gpu=${name}`
  )
}

/** As hosts have them: those of AMD's and Intel's for a group, NVIDIA's for everyone. */
async function nodeAt(path: string): Promise<DeviceNode | undefined> {
  if (path === '/dev/kfd') return { isDevice: true, gid: VIDEO, mode: 0o660 }
  return { isDevice: true, gid: RENDER, mode: path.startsWith('/dev/nvidia') ? 0o666 : 0o660 }
}

interface Shown {
  /** What its advertisement says of its GPUs. */
  readonly advertised: readonly Gpu[]
  /** What the container of a job gets that leases the one of this number; all for none. */
  readonly hostConfig: (...indexes: readonly number[]) => Promise<Record<string, unknown>>
  readonly env: (...indexes: readonly number[]) => Promise<readonly string[]>
}

async function shown(host: GpuHostTree, engine = PLAIN, msMax?: number): Promise<Shown> {
  const run = toolRunner({ folders: [host.tools], ...(msMax === undefined ? {} : { msMax }) })
  const passage = new GpuPassage({ run, nodeAt })
  const reading = await host.gpus(msMax === undefined ? {} : { msMax }).read()
  const { devices } = await passage.judged(reading, engine)
  const body = async (indexes: readonly number[]) => {
    const leased = indexes.map((index) => ({ device: devices[index] as GpuDevice }))
    const parts = await passage.parts('J.0', leased, engine)
    return madeWith(parts({ isTrusted: true, runtime: undefined }))
  }
  return {
    advertised: boundedGpus(devices),
    hostConfig: async (...indexes) => ({ ...(await body(indexes)).HostConfig }),
    env: async (...indexes) => (await body(indexes)).Env
  }
}

function madeWith(gpuParts: GpuParts) {
  const request: SandboxRequest = {
    imageId: 'sha256:1',
    jobId: 'J.0',
    epoch: 3,
    claimId: 'c',
    peerId: 'p',
    storeId: 's',
    volume: 'v',
    leaseDir: '/leases/c',
    busybox: '/bin/busybox',
    guard: '/guard.sh',
    resources: { cpuMilli: 2_000, memoryBytes: 4 * GIB },
    gpuParts
  }
  return containerBody(STANDARD, request, {
    cgroup: 2,
    apparmor: false,
    cpus: 1,
    swapLimit: true,
    limits: { openFiles: 65_536, processes: 65_536 },
    userBase: 0,
    runtime: 'runc'
  })
}

const H100: Gpu = {
  id: `nvidia:${uuid('0')}`,
  vendor: 'nvidia',
  model: 'NVIDIA H100 80GB HBM3',
  pci: NVIDIA_ADDRESS,
  memoryBytes: 81_559 * MIB,
  sharedMemory: false,
  driver: NVIDIA_DRIVER,
  architecture: 'sm_90',
  numaNode: 0,
  parent: undefined,
  health: 'ok',
  reasons: []
}

const MI210: Gpu = {
  id: 'amd:1901ead3a2ecd4a6-0',
  vendor: 'amd',
  model: 'AMD Instinct MI210',
  pci: AMD_ADDRESS,
  memoryBytes: 64 * GIB,
  sharedMemory: false,
  driver: KERNEL,
  architecture: 'gfx90a',
  numaNode: 1,
  parent: undefined,
  health: 'ok',
  reasons: []
}

const FLEX: Gpu = {
  id: `intel:${INTEL_ADDRESS}`,
  vendor: 'intel',
  model: 'Intel GPU (8086:56c0)',
  pci: INTEL_ADDRESS,
  memoryBytes: undefined,
  sharedMemory: false,
  driver: KERNEL,
  architecture: '',
  numaNode: 0,
  parent: undefined,
  health: 'ok',
  reasons: []
}

test('a job without a GPU gets no device, and says so over whatever its image says', async () => {
  const { hostConfig, env } = await shown(await nvidiaHost(), WITH_CDI)

  expect(await hostConfig()).toEqual(byRequest())
  expect(await env()).toEqual(NO_GPU_ENV)
})

test('one of NVIDIA goes by the name that the engine lists for it', async () => {
  const { advertised, hostConfig, env } = await shown(await nvidiaHost(), WITH_CDI)

  expect(advertised).toEqual([H100])
  const request = { Driver: 'cdi', DeviceIDs: [`nvidia.com/gpu=${uuid('0')}`] }
  expect(await hostConfig(0)).toEqual(byRequest(request))
  expect(await env(0)).toEqual(NO_GPU_ENV)
})

test("one of NVIDIA goes by the engine's own driver where that lists no names", async () => {
  const { advertised, hostConfig, env } = await shown(await nvidiaHost())

  expect(advertised).toEqual([H100])
  expect(await hostConfig(0)).toEqual(byNvidia(uuid('0')))
  expect(await env(0)).toEqual(nvidiaEnv(uuid('0')))
})

test('one of AMD goes by its nodes, with their groups by number', async () => {
  const { advertised, hostConfig, env } = await shown(await amdHost(), WITH_CDI)

  expect(advertised).toEqual([MI210])
  expect(await hostConfig(0)).toEqual(byNodes(['/dev/kfd', '/dev/dri/renderD130'], [44, 109]))
  expect(await env(0)).toEqual(['HIP_VISIBLE_DEVICES=0', ...NO_GPU_ENV])
})

test('one of Intel goes by its render node', async () => {
  const { advertised, hostConfig, env } = await shown(await intelHost())

  expect(advertised).toEqual([FLEX])
  expect(await hostConfig(0)).toEqual(byNodes(['/dev/dri/renderD129'], [109]))
  expect(await env(0)).toEqual(NO_GPU_ENV)
})

test('of two vendors in one host a job gets the one, the other, or both', async () => {
  const { advertised, hostConfig, env } = await shown(await twoVendors())

  expect(advertised).toEqual([{ ...H100, numaNode: undefined }, MI210])
  expect(await hostConfig(0)).toEqual(byNvidia(uuid('0')))
  const nodes = byNodes(['/dev/kfd', '/dev/dri/renderD130'], [44, 109])
  expect(await hostConfig(1)).toEqual(nodes)
  const { DeviceRequests } = byNvidia(uuid('0'))
  expect(await hostConfig(0, 1)).toEqual({ ...nodes, DeviceRequests })
  expect(await env(1)).toEqual(['HIP_VISIBLE_DEVICES=0', ...NO_GPU_ENV])
  expect(await env(0, 1)).toEqual([
    ...nvidiaEnv(uuid('0')).slice(0, 2),
    'HIP_VISIBLE_DEVICES=0',
    'AMD_VISIBLE_DEVICES=void'
  ])
})

test('of eight parts of one GPU each is handed over alone, by its own render node', async () => {
  const { advertised, hostConfig, env } = await shown(await eightParts())

  const part = {
    ...MI210,
    pci: '0000:05:00.0',
    model: 'AMD Instinct MI300X',
    architecture: 'gfx942',
    memoryBytes: 24 * GIB,
    parent: 'amd:1901ead3a2ecd4a6'
  }
  const ids = Array.from({ length: 8 }, (_, index) => `amd:1901ead3a2ecd4a6-${index}`)
  expect(advertised).toEqual(ids.map((id) => ({ ...part, id })))
  for (const index of ids.keys()) {
    const nodes = ['/dev/kfd', `/dev/dri/renderD${128 + index}`]
    expect(await hostConfig(index)).toEqual(byNodes(nodes, [44, 109]))
  }
  const three = ['/dev/kfd', ...[129, 131, 133].map((minor) => `/dev/dri/renderD${minor}`)]
  expect(await hostConfig(1, 3, 5)).toEqual(byNodes(three, [44, 109]))
  expect(await env(1, 3, 5)).toEqual(['HIP_VISIBLE_DEVICES=0,1,2', ...NO_GPU_ENV])
})

test('of a GPU that is divided a job gets its instance, by name or by the driver', async () => {
  const [small, large] = [uuid('1', 'MIG'), uuid('2', 'MIG')]
  const listed = await shown(await migHost(), WITH_CDI)

  const part = { ...H100, parent: H100.id, memoryBytes: undefined }
  expect(listed.advertised).toEqual([
    { ...part, id: `nvidia:${small}`, model: `${H100.model} MIG 1g.10gb` },
    { ...part, id: `nvidia:${large}`, model: `${H100.model} MIG 2g.20gb` }
  ])
  const request = { Driver: 'cdi', DeviceIDs: [`nvidia.com/gpu=${large}`] }
  expect(await listed.hostConfig(1)).toEqual(byRequest(request))
  expect(await listed.env(1)).toEqual(NO_GPU_ENV)

  const { hostConfig, env } = await shown(await migHost())
  expect(await hostConfig(0, 1)).toEqual(byNvidia(small, large))
  expect(await env(0, 1)).toEqual(nvidiaEnv(small, large))
})

test("behind a management controller's graphics a job gets the GPU's node, not card0's", async () => {
  const { advertised, hostConfig } = await shown(await behindBmc())

  expect(advertised).toEqual([FLEX])
  expect(await hostConfig(0)).toEqual(byNodes(['/dev/dri/renderD129'], [109]))
})

test('render nodes out of order go with their own GPUs', async () => {
  const { advertised, hostConfig } = await shown(await unordered())

  const later = { ...FLEX, id: 'intel:0000:8d:00.0', pci: '0000:8d:00.0' }
  expect(advertised).toEqual([FLEX, later])
  expect(await hostConfig(0)).toEqual(byNodes(['/dev/dri/renderD131'], [109]))
  expect(await hostConfig(1)).toEqual(byNodes(['/dev/dri/renderD128'], [109]))
})

test('one without an id is known by its place, and one of NVIDIA is handed to nobody', async () => {
  const { advertised, hostConfig } = await shown(await withoutIds())

  expect(advertised.map(({ id, health }) => [id, health])).toEqual([
    [`nvidia:${NVIDIA_ADDRESS}`, 'unhealthy'],
    [`amd:${AMD_ADDRESS}`, 'ok']
  ])
  expect(advertised[0]?.reasons).toEqual([
    'its driver gives it no UUID',
    'it cannot be handed to a container: its driver gives it no UUID'
  ])
  expect(await hostConfig(1)).toEqual(byNodes(['/dev/kfd', '/dev/dri/renderD130'], [44, 109]))
  await expect(hostConfig(0)).rejects.toThrow('its driver gives it no UUID')
})

test('one whose compute driver may not be read is advertised by what can be read', async () => {
  const host = await amdHost()
  const folder = join(host.root, 'sys/class/kfd/kfd/topology/nodes/1')
  await chmod(folder, 0o000)
  const { advertised, hostConfig } = await asStranger(() => shown(host))
  await chmod(folder, 0o755)

  expect(advertised).toEqual([{ ...MI210, architecture: '' }])
  // Of the nodes that it could not be seen to have it gets none.
  expect(await hostConfig(0)).toEqual(byNodes(['/dev/dri/renderD130'], [109]))
})

test('with tools that hang GPUs are ill, and those that need none are handed over', async () => {
  const host = await twoVendors()
  await fakeNvidiaSmi(host, { rows: [], mode: 'hang' })
  await host.tool('nvidia-ctk', 'exec sleep 600')
  const { advertised, hostConfig } = await shown(host, PLAIN, 300)

  const reasons = ['nvidia-smi did not end within 0.3 s']
  const ill = { health: 'unhealthy', reasons, memoryBytes: undefined, architecture: '' } as const
  expect(advertised).toEqual([{ ...H100, numaNode: undefined, ...ill }, MI210])
  expect(await hostConfig(1)).toEqual(byNodes(['/dev/kfd', '/dev/dri/renderD130'], [44, 109]))
})
