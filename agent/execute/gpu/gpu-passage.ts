import { MeshError } from '../../../protocol/core/errors.ts'
import type { GpuDevice, GpuReading } from '../../probe/gpu/gpu-device.ts'
import type { RunTool } from '../../probe/gpu/tools.ts'
import type { EngineInfo } from '../engine-types.ts'
import { userNamespaceOf } from '../user-namespace.ts'
import { groupsByList } from './access-list.ts'
import { readCdiNodes } from './cdi-spec.ts'
import { isToolkitSafe, TOOLKIT_LEAST, toolkitVersion } from './container-toolkit.ts'
import type { DeviceNode, NodeAt } from './device-node.ts'
import type { GpuParts } from './gpu-parts.ts'
import {
  nodesOf,
  type PassingGround,
  type PassingJob,
  passGpus,
  passingProblem
} from './gpu-passing.ts'
import type { LeasedGpu } from './leased-gpu.ts'

/** What the engine says that matters for GPUs. */
export type GpuEngine = Pick<EngineInfo, 'cdiDevices' | 'cdiFolders' | 'security' | 'rootDir'>

export interface GpuPassageParts {
  readonly run: RunTool
  readonly nodeAt: NodeAt
}

/** How the GPUs of this host get into containers, looked at anew each time. */
export class GpuPassage {
  readonly #parts: GpuPassageParts

  constructor(parts: GpuPassageParts) {
    this.#parts = parts
  }

  /** What to hand over is looked up for these alone: of no others anything is known. */
  async ground(devices: readonly GpuDevice[], engine: GpuEngine): Promise<PassingGround> {
    const { run, nodeAt } = this.#parts
    const namespace = userNamespaceOf(engine)
    const nodes = new Map<string, DeviceNode>()
    for (const path of new Set(devices.flatMap(nodesOf))) {
      const node = await nodeAt(path)
      if (node === undefined) continue
      // Elsewhere a list changes nothing: the container's node has none.
      const groups =
        namespace?.kind === 'remap' ? await groupsByList(run, path, node.gid) : undefined
      nodes.set(path, groups === undefined ? node : { ...node, groups })
    }
    const isOther = devices.some((device) => !isNvidia(device))
    return {
      cdi: new Set(engine.cdiDevices),
      cdiNodes: isOther ? await readCdiNodes(engine.cdiFolders) : new Map(),
      toolkit: devices.some(isNvidia) ? await toolkitVersion(run) : undefined,
      namespace,
      nodes
    }
  }

  /** What the container of a job gets. What it gives throws GPU_REFUSED. */
  async parts(
    jobId: string,
    gpus: readonly LeasedGpu[],
    engine: GpuEngine
  ): Promise<(job: PassingJob) => GpuParts> {
    const ground = await this.ground(
      gpus.map(({ device }) => device),
      engine
    )
    return (job) => {
      const passed = passGpus(gpus, ground, job)
      if (passed.kind === 'passed') return passed.parts
      throw new MeshError('GPU_REFUSED', { job: jobId, gpu: passed.gpu, cause: passed.cause })
    }
  }

  /** A reading in which those that no container can get are ill. */
  async judged(reading: GpuReading, engine: GpuEngine): Promise<GpuReading> {
    const { devices, warnings } = reading
    if (devices.length === 0) return reading
    const ground = await this.ground(devices, engine)
    const judged = devices.map((device): GpuDevice => {
      const problem = passingProblem(device, ground)
      if (problem === undefined) return device
      return { ...device, health: 'unhealthy', reasons: [...device.reasons, problem] }
    })
    const common = { devices: judged, warnings: [...warnings, ...toolkitWarnings(ground)] }
    const isGuarded = devices.some(isNvidia) && !isToolkitSafe(ground.toolkit)
    return isGuarded ? { ...common, trustedOnly: ['nvidia'] } : common
  }
}

function isNvidia({ vendor }: GpuDevice): boolean {
  return vendor === 'nvidia'
}

function toolkitWarnings({ toolkit }: PassingGround): readonly string[] {
  if (toolkit === undefined || isToolkitSafe(toolkit)) return []
  const found = toolkit === '' ? 'does not say its version' : `has version ${toolkit}`
  return [`NVIDIA's container toolkit ${found}: untrusted jobs get no GPU before ${TOOLKIT_LEAST}`]
}
