import {
  GPU_REST_BYTES_MAX,
  GPU_REST_LOOK_EVERY_MS,
  GPU_REST_MS_MAX
} from '../../../protocol/core/gpu-use-limits.ts'
import type { Clock } from '../../../protocol/core/ports.ts'
import type { GpuStanding, HostGpuUse } from '../../probe/gpu/use/host-gpu-use.ts'
import type { LeasedGpu } from './leased-gpu.ts'

export interface GpuRestParts {
  readonly reader: Pick<HostGpuUse, 'standing'>
  readonly clock: Pick<Clock, 'bootMs' | 'arm'>
}

/** A GPU that is not as it was before its job. */
export interface Unrested {
  readonly gpu: string
  readonly reason: string
}

/** How GPUs were before a job had them, whole and alone. */
export type Standings = ReadonlyMap<string, GpuStanding>

/**
 * Whether GPUs are free of a job that has ended: nobody new has them open, and as much of their
 * memory is in use as before. What others share is never free of everyone.
 */
export class GpuRest {
  readonly #parts: GpuRestParts

  constructor(parts: GpuRestParts) {
    this.#parts = parts
  }

  async before(gpus: readonly LeasedGpu[]): Promise<Standings> {
    const standings = new Map<string, GpuStanding>()
    for (const { device, share } of gpus) {
      if (share === undefined) standings.set(device.id, await this.#parts.reader.standing(device))
    }
    return standings
  }

  /** Those that are not after GPU_REST_MS_MAX: a driver takes a while to clear what it gave. */
  async after(gpus: readonly LeasedGpu[], before: Standings): Promise<readonly Unrested[]> {
    const { clock } = this.#parts
    const endMs = clock.bootMs() + GPU_REST_MS_MAX
    for (;;) {
      const unrested = await this.#unrested(gpus, before)
      if (unrested.length === 0 || clock.bootMs() >= endMs) return unrested
      await new Promise<void>((resolve) => clock.arm(GPU_REST_LOOK_EVERY_MS, resolve))
    }
  }

  async #unrested(gpus: readonly LeasedGpu[], before: Standings): Promise<readonly Unrested[]> {
    const unrested: Unrested[] = []
    for (const { device } of gpus) {
      const was = before.get(device.id)
      if (was === undefined) continue
      const reason = difference(was, await this.#parts.reader.standing(device))
      if (reason !== undefined) unrested.push({ gpu: device.id, reason })
    }
    return unrested
  }
}

function difference(was: GpuStanding, is: GpuStanding): string | undefined {
  const holder = [...is.holders].find((pid) => !was.holders.has(pid))
  if (holder !== undefined) return `process ${holder} has it open after its job's end`
  if (was.memoryBytes === undefined || is.memoryBytes === undefined) return undefined
  const more = is.memoryBytes - was.memoryBytes
  if (more <= GPU_REST_BYTES_MAX) return undefined
  return `${Math.round(more / MIB)} MiB of its memory are in use after its job's end`
}

const MIB = 1_048_576
