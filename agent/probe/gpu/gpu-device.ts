import type { Gpu, GpuVendor } from '../../../protocol/core/gpu.ts'
import type { HostTree } from './host-tree.ts'
import type { KernelFaults } from './kernel-faults.ts'
import type { RunTool } from './tools.ts'

/** A GPU as this host has it. */
export interface GpuDevice extends Gpu {
  /** Its own files of /dev, those that all GPUs of a vendor share left out but for /dev/kfd. */
  readonly nodes: readonly string[]
}

export interface GpuReading {
  readonly devices: readonly GpuDevice[]
  /** What could not be read, one line each; no GPU is ill by it. */
  readonly warnings: readonly string[]
  /** Vendors whose GPUs no untrusted job gets here, by what hands them over; absent is none. */
  readonly trustedOnly?: readonly GpuVendor[] | undefined
}

export const NO_GPUS: GpuReading = { devices: [], warnings: [] }

/** What the readers look at. */
export interface GpuHost {
  readonly tree: HostTree
  readonly run: RunTool
  /** What the kernel said of them. */
  readonly faults: Pick<KernelFaults, 'of' | 'settle'>
}

/** A driver's first word on what is wrong stands first. */
export function healthOf(reasons: readonly string[]): Pick<Gpu, 'health' | 'reasons'> {
  return { health: reasons.length === 0 ? 'ok' : 'unhealthy', reasons }
}
