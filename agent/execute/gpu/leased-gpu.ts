import type { GpuDevice } from '../../probe/gpu/gpu-device.ts'

/** A GPU that a job has for the time of its lease. */
export interface LeasedGpu {
  readonly device: GpuDevice
  /** In (0, 1): what the job has of a GPU that its owner lets jobs share; absent is all of it. */
  readonly share?: number | undefined
}
