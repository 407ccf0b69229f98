import type { GpuUseSummary } from '../../../../protocol/core/gpu-use.ts'
import { sumOf } from './gpu-use.ts'
import type { TenantUse } from './host-gpu-use.ts'

/** Peak and mean of what a job took of its GPUs. */
export class UseTally {
  #samples = 0
  readonly #busy = new Figure()
  readonly #memory = new Figure()

  /** `uses` of one moment, one for each GPU. */
  take(uses: readonly TenantUse[]): void {
    this.#samples += 1
    const busy = uses.map(({ busyPercent }) => busyPercent).filter((each) => each !== undefined)
    // Of two GPUs one of which stands still half is in use.
    this.#busy.take(busy.length === 0 ? undefined : (sumOf(busy) ?? 0) / uses.length)
    this.#memory.take(sumOf(uses.map(({ memoryBytes }) => memoryBytes)))
  }

  /** Undefined where nothing of it was ever seen. */
  summary(): GpuUseSummary | undefined {
    if (this.#samples === 0) return undefined
    return {
      samples: this.#samples,
      busyPeakPercent: this.#busy.peak(),
      busyMeanPercent: this.#busy.mean(),
      memoryPeakBytes: this.#memory.peak(),
      memoryMeanBytes: this.#memory.mean()
    }
  }
}

class Figure {
  #count = 0
  #sum = 0
  #peak = 0

  take(value: number | undefined): void {
    if (value === undefined) return
    this.#count += 1
    this.#sum += value
    this.#peak = Math.max(this.#peak, value)
  }

  peak(): number | undefined {
    return this.#count === 0 ? undefined : Math.round(this.#peak)
  }

  mean(): number | undefined {
    return this.#count === 0 ? undefined : Math.round(this.#sum / this.#count)
  }
}
