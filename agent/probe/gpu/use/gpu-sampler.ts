import type { GpuUseSummary } from '../../../../protocol/core/gpu-use.ts'
import {
  GPU_USE_EVERY_MS,
  GPU_USE_IDLE_EVERY_MS
} from '../../../../protocol/core/gpu-use-limits.ts'
import type { Clock } from '../../../../protocol/core/ports.ts'
import type { Log } from '../../../../protocol/host/log.ts'
import type { GpuDevice } from '../gpu-device.ts'
import type { GpuTenant, GpuUseReading, HostGpuUse } from './host-gpu-use.ts'
import { UseTally } from './use-tally.ts'

export interface GpuSamplerParts {
  readonly reader: Pick<HostGpuUse, 'read'>
  readonly gpus: () => readonly GpuDevice[]
  /** Jobs that have GPUs now; one whose container is not there yet is none. */
  readonly tenants: () => Promise<readonly GpuTenant[]>
  /** Milliseconds between two looks; GPU_USE_EVERY_MS when absent. */
  readonly everyMs?: number | undefined
  readonly clock: Clock
  readonly log: Log
}

const NOTHING: GpuUseReading = { devices: new Map(), jobs: new Map() }

/**
 * Looks at how GPUs are used: every 5 s while a job has one, and every minute else. No look begins
 * before the last one has ended, however long a tool takes.
 */
export class GpuSampler {
  readonly #parts: GpuSamplerParts
  readonly #tallies = new Map<string, UseTally>()
  #last = NOTHING
  #lastAtMs: number | undefined
  #readAtMs = Number.NEGATIVE_INFINITY
  #disarm: (() => void) | undefined
  #looking: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(parts: GpuSamplerParts) {
    this.#parts = parts
  }

  /** What the last look saw. */
  get last(): GpuUseReading {
    return this.#last
  }

  /** How long ago that was; undefined before the first look. */
  get ageMs(): number | undefined {
    return this.#lastAtMs === undefined ? undefined : this.#parts.clock.bootMs() - this.#lastAtMs
  }

  start(): void {
    this.#arm(0)
  }

  /** Nobody waits for it: a tool that hangs must not keep the agent from its end. */
  stop(): void {
    this.#stopped = true
    this.#disarm?.()
  }

  /** Resolves once no look is under way. */
  async idle(): Promise<void> {
    await this.#looking
  }

  /** Of a job that has ended; undefined where it was never seen. */
  take(jobId: string): GpuUseSummary | undefined {
    const summary = this.#tallies.get(jobId)?.summary()
    this.#tallies.delete(jobId)
    return summary
  }

  #arm(afterMs: number): void {
    if (this.#stopped) return
    this.#disarm = this.#parts.clock.arm(afterMs, () => {
      this.#looking = this.#look().finally(() => this.#arm(this.#parts.everyMs ?? GPU_USE_EVERY_MS))
    })
  }

  async #look(): Promise<void> {
    const { reader, gpus, tenants, clock, log } = this.#parts
    const devices = gpus()
    if (devices.length === 0) {
      this.#last = NOTHING
      this.#lastAtMs = undefined
      return
    }
    try {
      const running = await tenants()
      const nowMs = clock.bootMs()
      if (running.length === 0 && nowMs - this.#readAtMs < GPU_USE_IDLE_EVERY_MS) return
      this.#readAtMs = nowMs
      this.#last = await reader.read(devices, running)
      this.#lastAtMs = clock.bootMs()
      for (const [jobId, uses] of this.#last.jobs) {
        const tally = this.#tallies.get(jobId) ?? new UseTally()
        tally.take(uses)
        this.#tallies.set(jobId, tally)
      }
    } catch (error) {
      log.warn({ err: error }, 'use of GPUs not read')
    }
  }
}
