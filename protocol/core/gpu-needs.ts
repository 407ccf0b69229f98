import type { Gpu } from './gpu.ts'
import {
  computeTenthsOf,
  formatCompute,
  type GpuRequest,
  matchesModel,
  migProfileOf
} from './gpu-request.ts'
import { formatBytes } from './quantities.ts'

/** One thing that each GPU of a request must be. */
export interface GpuNeed {
  /** `gpu model`, for people. */
  readonly requirement: string
  readonly wanted: string
  meets(gpu: Gpu): boolean
  /** What a GPU has in its place, for people. */
  offered(gpu: Gpu): string
}

/** What a request asks of each GPU, in the order in which people ask why none is given. */
export function needsOf(request: GpuRequest): readonly GpuNeed[] {
  return [
    ...vendorNeed(request),
    ...modelNeed(request),
    ...migNeed(request),
    ...memoryNeed(request),
    ...computeNeed(request),
    ...gfxNeed(request),
    HEALTH
  ]
}

function vendorNeed({ vendor }: GpuRequest): readonly GpuNeed[] {
  if (vendor === undefined) return []
  const meets = (gpu: Gpu): boolean => gpu.vendor === vendor
  return [{ requirement: 'gpu vendor', wanted: vendor, meets, offered: (gpu) => gpu.vendor }]
}

function modelNeed({ model }: GpuRequest): readonly GpuNeed[] {
  if (model === undefined) return []
  const meets = (gpu: Gpu): boolean => matchesModel(model, gpu.model)
  return [{ requirement: 'gpu model', wanted: model, meets, offered: (gpu) => gpu.model }]
}

function migNeed({ mig, count }: GpuRequest): readonly GpuNeed[] {
  const offered = (gpu: Gpu): string => migProfileOf(gpu) ?? 'a whole one'
  if (mig !== undefined) {
    const meets = (gpu: Gpu): boolean => migProfileOf(gpu) === mig
    return [{ requirement: 'gpu mig', wanted: mig, meets, offered }]
  }
  if (count === 1) return []
  // A program of CUDA's sees one MIG device, whatever it is given.
  const meets = (gpu: Gpu): boolean => migProfileOf(gpu) === undefined
  return [{ requirement: 'gpu mig', wanted: 'none', meets, offered }]
}

function memoryNeed({ memoryBytes }: GpuRequest): readonly GpuNeed[] {
  if (memoryBytes === undefined) return []
  const offered = (gpu: Gpu): string => {
    if (gpu.sharedMemory) return "the host's"
    return gpu.memoryBytes === undefined ? 'not known' : formatBytes(gpu.memoryBytes)
  }
  const meets = (gpu: Gpu): boolean => (gpu.memoryBytes ?? 0) >= memoryBytes
  return [{ requirement: 'gpu memory', wanted: formatBytes(memoryBytes), meets, offered }]
}

function computeNeed({ computeTenths }: GpuRequest): readonly GpuNeed[] {
  if (computeTenths === undefined) return []
  const wanted = formatCompute(computeTenths)
  const meets = (gpu: Gpu): boolean => (computeTenthsOf(gpu) ?? 0) >= computeTenths
  const offered = (gpu: Gpu): string => {
    const tenths = computeTenthsOf(gpu)
    return tenths === undefined ? 'none' : formatCompute(tenths)
  }
  return [{ requirement: 'gpu compute capability', wanted, meets, offered }]
}

function gfxNeed({ gfx }: GpuRequest): readonly GpuNeed[] {
  if (gfx === undefined) return []
  const meets = (gpu: Gpu): boolean => gpu.architecture === gfx
  const offered = (gpu: Gpu): string => gpu.architecture || 'none'
  return [{ requirement: 'gpu gfx version', wanted: gfx, meets, offered }]
}

const HEALTH: GpuNeed = {
  requirement: 'gpu health',
  wanted: 'ok',
  meets: ({ health }) => health === 'ok',
  offered: ({ health, reasons: [why] }) => (why === undefined ? health : `${health} (${why})`)
}
