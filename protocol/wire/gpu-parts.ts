import { type Gpu, type GpuHealth, gpusProblem, vendorOf } from '../core/gpu.ts'
import { GPU_NUMA_NODE_MAX, GPU_REASONS_MAX, GPUS_MAX } from '../core/gpu-limits.ts'
import { count, list, optional, refuse, text } from './fields.ts'
import * as wire from './generated/gossip.ts'
import { names } from './names.ts'

/** Most elements of each GPU's lists, refused while they are read. */
export const GPU_LIMITS = { reasons: GPU_REASONS_MAX }
/** Characters of any text of a GPU: what may stand in it core knows. */
const TEXT_CHARACTERS_MAX = 1_024

const healths = names<GpuHealth, wire.GpuHealth>('health', {
  ok: wire.GpuHealth.GPU_HEALTH_OK,
  unhealthy: wire.GpuHealth.GPU_HEALTH_UNHEALTHY,
  lost: wire.GpuHealth.GPU_HEALTH_LOST
})

export function gpusToWire(gpus: readonly Gpu[] = []): wire.Gpu[] {
  return list(checked(gpus), GPUS_MAX, 'gpus', ({ vendor: _vendor, ...gpu }) => {
    const same = { ...texts(gpu), ...amounts(gpu), sharedMemory: gpu.sharedMemory }
    return { ...same, health: healths.toWire(gpu.health) } as wire.Gpu
  })
}

/** Absent is none: agents of before say nothing of them. */
export function gpusFromWire(gpus: readonly wire.Gpu[]): { readonly gpus?: readonly Gpu[] } {
  if (gpus.length === 0) return {}
  const read = list(gpus, GPUS_MAX, 'gpus', (gpu): Gpu => {
    const vendor = vendorOf(gpu.id) ?? refuse('gpus', 'has an id that is none')
    const { memoryBytes, numaNode, parent } = { ...texts(gpu), ...amounts(gpu) }
    const rest = { memoryBytes, numaNode, parent, sharedMemory: gpu.sharedMemory }
    return { ...texts(gpu), ...rest, vendor, health: healths.fromWire(gpu.health) }
  })
  return { gpus: checked(read) }
}

function checked(gpus: readonly Gpu[]): readonly Gpu[] {
  const problem = gpusProblem(gpus)
  return problem === undefined ? gpus : refuse('gpus', problem)
}

type Both = Omit<Gpu, 'vendor' | 'health'> | wire.Gpu

/** Well-formed texts; core says what may stand in each. */
function texts({ id, model, pci, driver, architecture, parent, reasons }: Both) {
  const one = (value: string): string => text(value, TEXT_CHARACTERS_MAX, 'gpus')
  return {
    id: one(id),
    model: one(model),
    pci: one(pci),
    driver: one(driver),
    architecture: one(architecture),
    parent: optional(parent, one),
    reasons: list(reasons, GPU_REASONS_MAX, 'reasons', one)
  }
}

function amounts({ memoryBytes, numaNode }: Both) {
  return {
    memoryBytes: optional(memoryBytes, (bytes) => count(bytes, 'memoryBytes')),
    numaNode: optional(numaNode, (node) => count(node, 'numaNode', GPU_NUMA_NODE_MAX))
  }
}
