import { join } from 'node:path'
import type { Capacity } from '../../protocol/core/advertisement.ts'
import { MeshError } from '../../protocol/core/errors.ts'
import { wantsEngine } from '../../protocol/core/isolation.ts'
import { LEASE_PROFILES } from '../../protocol/core/lease-profile.ts'
import { abilitiesFor } from '../../protocol/core/network.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import { platformFor } from '../../protocol/core/requirements.ts'
import type { JobSpec } from '../../protocol/core/run.ts'
import { RUNTIME_CALL_MS_MAX } from '../../protocol/core/runtime-limits.ts'
import { diskSpaceOf } from '../../protocol/host/disk-space.ts'
import { silentLog } from '../../protocol/host/log.ts'
import type { AgentSettings } from '../config.ts'
import { Disks } from '../execute/disk/disks.ts'
import { Engine } from '../execute/engine.ts'
import { Executor } from '../execute/executor.ts'
import type { LeasedGpu } from '../execute/gpu/leased-gpu.ts'
import { GROUND_DIR } from '../execute/ground.ts'
import { nativePlatform } from '../execute/native-platform.ts'
import { HOLDER_IMAGE_LABEL } from '../execute/network/holder-gate.ts'
import type { JobNetworks } from '../execute/network/job-networks.ts'
import { openNetworks } from '../execute/network/open-networks.ts'
import type { Workspace } from '../execute/workspace.ts'
import type { GpuPlace } from '../gpu-parts.ts'
import { openImages } from '../image-parts.ts'
import { tryBuilder } from '../probe/builder-trial.ts'
import { capacityOf } from '../probe/capacity.ts'
import { tryNetwork } from '../probe/network-trial.ts'
import { type ProvenPlatforms, provenPlatforms } from '../probe/proven-platforms.ts'
import { tryRuntimes } from '../probe/runtimes.ts'
import { execGpus } from './exec-gpus.ts'
import { EXEC_STORE, type LeftRoom } from './exec-room.ts'

export interface ExecHostParts {
  readonly engine: Engine
  readonly clock: Clock
  readonly settings: AgentSettings
  readonly room: LeftRoom
  /** In place of the GPUs that this machine has. */
  readonly gpuPlace?: GpuPlace | undefined
}

interface Opened {
  readonly executor: Executor
  readonly networks: JobNetworks | undefined
  readonly gpus: readonly LeasedGpu[]
}

const NO_OTHERS: ProvenPlatforms = { platforms: [], problems: [] }

/** An executor for one job, with what this host has shown of what that job needs; nothing else. */
export class ExecHost {
  readonly executor: Executor
  /** What its job has of this host's. */
  readonly gpus: readonly LeasedGpu[]
  readonly #networks: JobNetworks | undefined
  readonly #parts: ExecHostParts

  private constructor(parts: ExecHostParts, { executor, networks, gpus }: Opened) {
    this.#parts = parts
    this.executor = executor
    this.gpus = gpus
    this.#networks = networks
  }

  /** Throws EXEC_HOST_LACKING, ENGINE_UNREACHABLE. */
  static async open(
    parts: ExecHostParts,
    spec: JobSpec,
    workspaceOf: (claimId: string) => Workspace,
    signal: AbortSignal
  ): Promise<ExecHost> {
    const { engine, clock, settings, room } = parts
    const { busybox } = settings
    const peerId = room.owner
    const workspaces = join(room.dir, 'workspaces')
    const trial = { engine, peerId, busybox }
    const info = await engine.info()
    const { freeBytes: diskBytes } = await diskSpaceOf(room.dir)
    const { capacity } = capacityOf({ ...info, diskBytes }, {})
    const plain = { name: nativePlatform(info), native: true }
    const isOther = platformFor(spec, [plain]) === undefined
    const { native, platforms: others } = isOther ? await provenPlatforms(trial) : NO_OTHERS
    const platforms = [{ ...plain, name: native ?? plain.name }, ...others]
    checkRoom(spec, platforms, capacity)
    const place = parts.gpuPlace
    const gpus = await execGpus({ engine, clock, settings, owner: peerId, place }, spec, signal)
    const networks = await networksOf(parts, spec, workspaces)
    const own = spec.isolation !== undefined || wantsEngine(spec)
    const patient = Engine.local(settings.engine, RUNTIME_CALL_MS_MAX)
    const { killBudgetMs } = LEASE_PROFILES.default
    const shown = own
      ? await tryRuntimes({ ...trial, engine: patient, workspaces, clock }, killBudgetMs, signal)
      : { offered: [] }
    const builds = spec.builder === true && (await tryBuilder(trial)) === undefined
    const log = silentLog()
    const path = join(room.dir, 'images.json')
    const images = await openImages({
      ...{ engine, clock, log, settings, path, rootDir: info.rootDir },
      // The same for each run of this user: what one has pulled, the next one has.
      peerId: `exec of ${process.getuid?.() ?? 0}`
    })
    const volumes = { folder: join(room.dir, 'volumes'), paths: [room.dir] }
    const disks = new Disks({ clock, log }, { capacity, control: () => 'watch', ...volumes })
    const leased = gpus?.leased ?? []
    const executor = new Executor(
      {
        ...{ engine, images: images.images, clock, log },
        ...{ networks, disks, gpus: gpus?.jobGpus, workspaceOf }
      },
      {
        ...{ peerId, storeId: EXEC_STORE, workspaces, leases: join(room.dir, 'leases'), busybox },
        ...{ name: settings.name, platforms, subnets: settings.network.subnets },
        runtimes: () => shown.offered,
        offersBuilder: () => builds,
        gpus: () => leased.map(({ device }) => device)
      }
    )
    return new ExecHost(parts, { executor, networks, gpus: leased })
  }

  /** Removes what no attempt of its own does. */
  async close(): Promise<void> {
    const { engine, room } = this.#parts
    this.#networks?.stop()
    for (const id of await engine.images({ [HOLDER_IMAGE_LABEL]: room.owner })) {
      await engine.removeImage(id)
    }
  }
}

function checkRoom(
  spec: JobSpec,
  platforms: Parameters<typeof platformFor>[1],
  { cpuMilli, memoryBytes }: Capacity
): void {
  const refuse = (lacking: string): MeshError =>
    new MeshError('EXEC_HOST_LACKING', { job: spec.name, lacking })
  if (platformFor(spec, platforms) === undefined) {
    throw refuse(`it is ${platforms[0]?.name}, and ${spec.platform} is wanted`)
  }
  const { resources } = spec
  if (resources.cpuMilli > cpuMilli) {
    throw refuse(`${resources.cpuMilli / 1_000} cores are wanted, it has ${cpuMilli / 1_000}`)
  }
  if (resources.memoryBytes > memoryBytes) {
    throw refuse(`${resources.memoryBytes} bytes of memory are wanted, ${memoryBytes} can be had`)
  }
}

/**
 * By rules in the job's own network namespace: those of the host may be an agent's, and need rights
 * that a person does not have.
 */
async function networksOf(
  { engine, clock, settings, room }: ExecHostParts,
  spec: JobSpec,
  workspaces: string
): Promise<JobNetworks | undefined> {
  if (abilitiesFor(spec.network).length === 0) return undefined
  const trial = { engine, peerId: room.owner, busybox: settings.busybox }
  const kits = join(workspaces, GROUND_DIR)
  const parts = { engine, clock, log: silentLog(), peerId: room.owner, kits }
  const { network } = settings
  const networks = await openNetworks(
    { ...parts, tryOut: (tried) => tryNetwork(trial, tried) },
    { ...network, rules: 'holder' }
  )
  if (networks?.lost === undefined) return networks
  networks.stop()
  throw new MeshError('EXEC_HOST_LACKING', { job: spec.name, lacking: networks.lost })
}
