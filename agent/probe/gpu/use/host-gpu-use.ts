import { GPU_HOST_PROCESSES_MAX } from '../../../../protocol/core/gpu-use-limits.ts'
import type { LeasedGpu } from '../../../execute/gpu/leased-gpu.ts'
import type { GpuDevice } from '../gpu-device.ts'
import { HostTree } from '../host-tree.ts'
import type { RunTool } from '../tools.ts'
import { amdUse } from './amd-use.ts'
import { containerPids } from './container-pids.ts'
import { drmClients, type HeldClient, holdersOf } from './drm-clients.ts'
import { DrmTimes } from './drm-times.ts'
import { type DeviceUse, type ProcessUse, percent, sumOf, UNKNOWN_USE } from './gpu-use.ts'
import { kfdUse } from './kfd-use.ts'
import { type NvidiaUse, nvidiaUse } from './nvidia-use.ts'

/** A job that has GPUs now. */
export interface GpuTenant {
  readonly jobId: string
  /** Id of its container, and process 1 in it as the host numbers it. */
  readonly container: string
  readonly first: number
  readonly gpus: readonly LeasedGpu[]
}

/** What a job has of one GPU. */
export interface TenantUse {
  readonly gpu: string
  readonly busyPercent: number | undefined
  readonly memoryBytes: number | undefined
}

export interface GpuUseReading {
  /** By the GPU's id. */
  readonly devices: ReadonlyMap<string, DeviceUse>
  /** By the job's. */
  readonly jobs: ReadonlyMap<string, readonly TenantUse[]>
}

/** Of one GPU, whoever it is of. */
export interface GpuStanding {
  /** Processes, as the host numbers them. */
  readonly holders: ReadonlySet<number>
  readonly memoryBytes: number | undefined
}

export interface HostGpuUseParts {
  /** `/`, or what stands for it. */
  readonly root: string
  readonly run: RunTool
  /** Milliseconds of a clock that only goes forward. */
  readonly nowMs: () => number
}

/** What all readers say of one moment. */
interface Looked {
  readonly nvidia: NvidiaUse | undefined
  readonly kfd: ReadonlyMap<string, readonly ProcessUse[]>
  readonly held: readonly HeldClient[]
  readonly times: ReadonlyMap<string, number>
}

/** How the GPUs of this host are used, by device and by job. One question at a time. */
export class HostGpuUse {
  readonly #tree: HostTree
  readonly #run: RunTool
  readonly #nowMs: () => number
  readonly #times = new DrmTimes()

  constructor({ root, run, nowMs }: HostGpuUseParts) {
    this.#tree = new HostTree(root)
    this.#run = run
    this.#nowMs = nowMs
  }

  async read(gpus: readonly GpuDevice[], tenants: readonly GpuTenant[]): Promise<GpuUseReading> {
    const pids = new Map<string, ReadonlySet<number>>()
    for (const { jobId, container, first } of tenants) {
      pids.set(jobId, new Set(await containerPids(this.#tree, container, first)))
    }
    const looked = await this.#look(gpus, tenants, pids)
    const devices = new Map<string, DeviceUse>()
    for (const gpu of gpus) devices.set(gpu.id, await this.#deviceUse(gpu, looked))
    const jobs = new Map<string, readonly TenantUse[]>()
    for (const tenant of tenants) {
      jobs.set(
        tenant.jobId,
        tenantUses(tenant, pids.get(tenant.jobId) ?? new Set(), devices, looked)
      )
    }
    // What may not be read was said when the GPUs were.
    this.#tree.takeWarnings()
    return { devices, jobs }
  }

  /** Who has it open, and what of its memory is in use; of a part of one only the latter. */
  async standing(gpu: GpuDevice): Promise<GpuStanding> {
    const shared = gpu.vendor === 'nvidia' && gpu.parent !== undefined
    const own = gpu.nodes.filter((path) => path !== '/dev/kfd')
    const holders = shared || own.length === 0 ? [] : await holdersOf(this.#tree, new Set(own))
    const nvidia = gpu.vendor === 'nvidia' ? await nvidiaUse(this.#run, [gpu], false) : undefined
    const use = nvidia?.devices.get(gpu.id)
    const known = gpu.vendor === 'amd' ? await amdUse(this.#tree, gpu) : use
    this.#tree.takeWarnings()
    return { holders: new Set(holders), memoryBytes: known?.memoryBytes }
  }

  async #look(
    gpus: readonly GpuDevice[],
    tenants: readonly GpuTenant[],
    pids: ReadonlyMap<string, ReadonlySet<number>>
  ): Promise<Looked> {
    const nvidias = gpus.filter(({ vendor }) => vendor === 'nvidia')
    const others = gpus.filter(({ vendor }) => vendor !== 'nvidia')
    const isShared = tenants.some(({ gpus: leased }) =>
      leased.some(({ device, share }) => device.vendor === 'nvidia' && share !== undefined)
    )
    const nvidia = nvidias.length === 0 ? undefined : await nvidiaUse(this.#run, nvidias, isShared)
    const kfd = await kfdUse(
      this.#tree,
      others.filter(({ vendor }) => vendor === 'amd')
    )
    const asked = others.length === 0 ? [] : [...(await this.#pidsToAsk(tenants, pids))]
    const held = await drmClients(this.#tree, asked)
    const clients = held.map(({ client }) => client)
    return { nvidia, kfd, held, times: this.#times.take(clients, this.#nowMs()) }
  }

  /** Those of jobs while there are any: all of a host are many, and each has many files. */
  async #pidsToAsk(
    tenants: readonly GpuTenant[],
    pids: ReadonlyMap<string, ReadonlySet<number>>
  ): Promise<ReadonlySet<number>> {
    if (tenants.length > 0) return new Set([...pids.values()].flatMap((each) => [...each]))
    return new Set(await this.#tree.numbers('proc', GPU_HOST_PROCESSES_MAX))
  }

  async #deviceUse(gpu: GpuDevice, { nvidia, kfd, held, times }: Looked): Promise<DeviceUse> {
    if (gpu.vendor === 'nvidia') return nvidia?.devices.get(gpu.id) ?? UNKNOWN_USE
    const clients = clientsOf(gpu, held)
    const graphics = {
      busyPercent: percent(sumOf(clients.map(({ client }) => times.get(client.key)))),
      memoryBytes: sumOf(clients.map(({ client }) => client.memoryBytes))
    }
    if (gpu.vendor === 'intel') return { ...UNKNOWN_USE, ...graphics }
    const use = await amdUse(this.#tree, gpu)
    const compute = sumOf((kfd.get(gpu.id) ?? []).map(({ memoryBytes }) => memoryBytes))
    return { ...use, memoryBytes: use.memoryBytes ?? compute }
  }
}

/** Of a part nobody knows which of its GPU's clients are its own. */
function clientsOf(gpu: GpuDevice, held: readonly HeldClient[]): readonly HeldClient[] {
  if (gpu.parent !== undefined && gpu.vendor === 'amd') return []
  return held.filter(({ client }) => client.pci === gpu.pci)
}

function tenantUses(
  { gpus }: GpuTenant,
  pids: ReadonlySet<number>,
  devices: ReadonlyMap<string, DeviceUse>,
  looked: Looked
): readonly TenantUse[] {
  const seen = new Set<string>()
  return gpus.map(({ device, share }) => {
    const owner = device.parent ?? device.id
    // A process of a divided GPU is listed by the GPU: of two parts the first has it.
    const isFirst = device.vendor !== 'nvidia' || !seen.has(owner)
    seen.add(owner)
    const all = processesOf(device, pids, looked)
    const mine = isFirst ? all : []
    const whole = devices.get(device.id)?.busyPercent
    const isAlone = share === undefined && whole !== undefined
    const busy = isAlone ? whole : sumOf(mine.map(({ busyPercent }) => busyPercent))
    return { gpu: device.id, busyPercent: percent(busy), memoryBytes: memoryOf(mine) }
  })
}

interface OwnUse extends ProcessUse {
  /** Both count the same memory where they know the process. */
  readonly by: 'driver' | 'graphics'
}

function processesOf(
  device: GpuDevice,
  pids: ReadonlySet<number>,
  { nvidia, kfd, held, times }: Looked
): readonly OwnUse[] {
  const listed = device.vendor === 'nvidia' ? nvidia?.processes(device) : kfd.get(device.id)
  const compute = (listed ?? []).filter(({ pid }) => pids.has(pid))
  const clients = clientsOf(device, held).filter((each) =>
    [...each.pids].some((pid) => pids.has(pid))
  )
  return [
    ...compute.map((use): OwnUse => ({ ...use, by: 'driver' })),
    ...clients.map(({ client }): OwnUse => {
      const busyPercent = times.get(client.key)
      return { pid: 0, busyPercent, memoryBytes: client.memoryBytes, by: 'graphics' }
    })
  ]
}

function memoryOf(uses: readonly OwnUse[]): number | undefined {
  const of = (wanted: OwnUse['by']): number | undefined =>
    sumOf(uses.filter(({ by }) => by === wanted).map(({ memoryBytes }) => memoryBytes))
  const [driver, graphics] = [of('driver'), of('graphics')]
  if (driver === undefined || graphics === undefined) return driver ?? graphics
  return Math.max(driver, graphics)
}
