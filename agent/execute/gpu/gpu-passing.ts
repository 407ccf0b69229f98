import type { GpuDevice } from '../../probe/gpu/gpu-device.ts'
import type { UserNamespace } from '../user-namespace.ts'
import type { CdiNodes } from './cdi-spec.ts'
import { isToolkitSafe, TOOLKIT_LEAST } from './container-toolkit.ts'
import { type DeviceNode, nodeAccess } from './device-node.ts'
import { type GpuParts, gpuEnvironment, NO_GPU_PARTS, type PassedRequest } from './gpu-parts.ts'
import type { LeasedGpu } from './leased-gpu.ts'

/** What this host and its engine can hand GPUs over with, as they are now. */
export interface PassingGround {
  /** Full names that the engine lists; none where it knows nothing of CDI. */
  readonly cdi: ReadonlySet<string>
  /** What those of them hand over whose specs say so. */
  readonly cdiNodes: CdiNodes
  /** The version of NVIDIA's toolkit; '' where it does not say, undefined where there is none. */
  readonly toolkit: string | undefined
  readonly namespace: UserNamespace | undefined
  /** By path. */
  readonly nodes: ReadonlyMap<string, DeviceNode>
}

/** What a job is, as far as a GPU is not for everyone. */
export interface PassingJob {
  readonly isTrusted: boolean
  /** Of its container; undefined for the plain one. */
  readonly runtime: string | undefined
}

export type Passed =
  | { readonly kind: 'passed'; readonly parts: GpuParts }
  | { readonly kind: 'refused'; readonly gpu: string; readonly cause: string }

/** How one GPU gets into a container. */
type Way =
  | { readonly kind: 'cdi'; readonly name: string }
  /** By the engine's own driver for NVIDIA's. */
  | { readonly kind: 'nvidia'; readonly id: string }
  | {
      readonly kind: 'nodes'
      readonly paths: readonly string[]
      readonly groups: readonly number[]
    }
  | { readonly kind: 'none'; readonly cause: string }

const KFD = '/dev/kfd'
const RENDER = /^\/dev\/dri\/renderD\d+$/
/** What a job computes with and reads its state by; never `graphics`, `display` or `all`. */
const NVIDIA_CAPABILITIES = ['compute', 'utility'] as const

/** The nodes that a GPU of AMD's or Intel's is used by, and no other: never a `cardN`. */
export function nodesOf({ nodes }: Pick<GpuDevice, 'nodes'>): readonly string[] {
  return nodes.filter((path) => path === KFD || RENDER.test(path))
}

/** Exactly what the container of a job gets that leases these, or why it cannot be had here. */
export function passGpus(
  gpus: readonly LeasedGpu[],
  ground: PassingGround,
  job: PassingJob
): Passed {
  if (gpus.length === 0) return { kind: 'passed', parts: NO_GPU_PARTS }
  const ways: Way[] = []
  for (const { device, share } of gpus) {
    const way = wayOf(device, ground)
    const cause = way.kind === 'none' ? way.cause : jobProblem({ device, share }, ground, job)
    if (cause !== undefined) return { kind: 'refused', gpu: device.id, cause }
    ways.push(way)
  }
  const amd = gpus.filter(({ device }) => device.vendor === 'amd').length
  return { kind: 'passed', parts: partsOf(ways, amd) }
}

/** Why no job gets it here, as ground and engine are; undefined for no reason. */
export function passingProblem(device: GpuDevice, ground: PassingGround): string | undefined {
  const way = wayOf(device, ground)
  return way.kind === 'none' ? `it cannot be handed to a container: ${way.cause}` : undefined
}

function jobProblem(
  { device: { vendor }, share }: LeasedGpu,
  { toolkit }: PassingGround,
  { isTrusted, runtime }: PassingJob
): string | undefined {
  // gVisor knows some drivers of one vendor, others none: what was not tried is not promised.
  if (runtime !== undefined) return `no GPU has been tried with the runtime ${runtime}`
  if (isTrusted) return undefined
  if (share !== undefined) return 'parts of a shared GPU keep nobody from the memory of others'
  if (vendor !== 'nvidia' || isToolkitSafe(toolkit)) return undefined
  return (
    `NVIDIA's container toolkit is ${toolkit || 'of no known version'}: untrusted jobs need ` +
    `${TOOLKIT_LEAST} or later`
  )
}

function wayOf(device: GpuDevice, ground: PassingGround): Way {
  if (device.vendor === 'nvidia') return nvidiaWay(device, ground)
  const paths = nodesOf(device)
  if (!paths.some((path) => RENDER.test(path)))
    return { kind: 'none', cause: 'it has no render node' }
  const groups = new Set<number>()
  for (const path of paths) {
    const access = nodeAccess(path, ground.nodes.get(path), ground.namespace)
    if (access.kind === 'closed') return { kind: 'none', cause: access.cause }
    if (access.kind === 'group') groups.add(access.gid)
  }
  const name = cdiName(device, paths, ground)
  // A name brings nodes alone: without its groups a job could not open them.
  if (name !== undefined && groups.size === 0) return { kind: 'cdi', name }
  return { kind: 'nodes', paths, groups: [...groups] }
}

/**
 * AMD's and Intel's devices are numbered, and their numbers change with the bus: one is taken for
 * what its spec hands over, and only where that is what is leased and nothing else.
 */
function cdiName(
  { vendor }: GpuDevice,
  paths: readonly string[],
  { cdi, cdiNodes }: PassingGround
): string | undefined {
  const prefix = `${vendor}.com/gpu=`
  const wanted = [...paths].sort().join()
  return [...cdi]
    .sort()
    .find(
      (name) => name.startsWith(prefix) && [...(cdiNodes.get(name) ?? [])].sort().join() === wanted
    )
}

function nvidiaWay({ id }: GpuDevice, { cdi, toolkit, namespace }: PassingGround): Way {
  const uuid = id.slice('nvidia:'.length)
  if (!/^(?:GPU|MIG)-/.test(uuid)) return { kind: 'none', cause: 'its driver gives it no UUID' }
  const name = `nvidia.com/gpu=${uuid}`
  if (cdi.has(name)) return { kind: 'cdi', name }
  if (namespace?.kind === 'rootless') {
    return { kind: 'none', cause: `a rootless engine gives it by CDI alone, and lists no ${name}` }
  }
  if (toolkit !== undefined) return { kind: 'nvidia', id: uuid }
  return { kind: 'none', cause: "install NVIDIA's container toolkit for the engine" }
}

function partsOf(ways: readonly Way[], amd: number): GpuParts {
  const names = ways.flatMap((way) => (way.kind === 'cdi' ? [way.name] : []))
  const ids = ways.flatMap((way) => (way.kind === 'nvidia' ? [way.id] : []))
  const paths = ways.flatMap((way) => (way.kind === 'nodes' ? way.paths : []))
  const groups = ways.flatMap((way) => (way.kind === 'nodes' ? way.groups : []))
  const cdi: PassedRequest = { Driver: 'cdi', DeviceIDs: names }
  const capabilities = [['gpu', ...NVIDIA_CAPABILITIES]]
  const nvidia: PassedRequest = { Driver: 'nvidia', DeviceIDs: ids, Capabilities: capabilities }
  return {
    devices: [...new Set(paths)].map((path) => ({
      PathOnHost: path,
      PathInContainer: path,
      CgroupPermissions: 'rw'
    })),
    requests: [...(names.length > 0 ? [cdi] : []), ...(ids.length > 0 ? [nvidia] : [])],
    groups: [...new Set(groups)].sort((a, b) => a - b).map(String),
    env: gpuEnvironment([
      // The engine says the same again, behind what is said here: both must agree.
      ...(ids.length > 0
        ? [
            `NVIDIA_VISIBLE_DEVICES=${ids.join(',')}`,
            `NVIDIA_DRIVER_CAPABILITIES=${NVIDIA_CAPABILITIES.join(',')}`
          ]
        : []),
      // Of those that it can open: ROCm counts no others.
      ...(amd > 0 ? [`HIP_VISIBLE_DEVICES=${[...Array(amd).keys()].join(',')}`] : [])
    ])
  }
}
