import {
  SYNC_SAMPLES_MAX,
  SYNC_SAMPLES_MIN,
  SYNC_SLOW_MS,
  SYNC_WINDOW_MS
} from '../core/sync-limits.ts'

interface Sample {
  readonly atMs: number
  readonly ms: number
}

/** How long syncs took lately: 99 of 100 took at most `p99Ms`, whole milliseconds. */
export interface SyncFigures {
  readonly p99Ms: number
  readonly syncs: number
  readonly isSlow: boolean
}

/** Durations of the newest syncs of one store, by a clock that is never set back. */
export class SyncMeter {
  readonly #nowMs: () => number
  #samples: Sample[] = []
  #listener: ((ms: number) => void) | undefined

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
  }

  /** Starts to measure one sync; the returned function ends that. */
  begin(): () => void {
    const startedAtMs = this.#nowMs()
    return () => {
      const atMs = this.#nowMs()
      const ms = atMs - startedAtMs
      this.#samples.push({ atMs, ms })
      this.#listener?.(ms)
      // Twice as many as are kept, so that not each of them moves all others.
      if (this.#samples.length > 2 * SYNC_SAMPLES_MAX) this.#forget()
    }
  }

  /** One listener, called with the milliseconds of each sync from now on. */
  onSync(listener: (ms: number) => void): void {
    this.#listener = listener
  }

  figures(): SyncFigures {
    this.#forget()
    const sorted = this.#samples.map(({ ms }) => ms).sort((a, b) => a - b)
    const p99Ms = Math.round(sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0)
    const isSlow = sorted.length >= SYNC_SAMPLES_MIN && p99Ms > SYNC_SLOW_MS
    return { p99Ms, syncs: sorted.length, isSlow }
  }

  #forget(): void {
    const sinceMs = this.#nowMs() - SYNC_WINDOW_MS
    this.#samples = this.#samples.slice(-SYNC_SAMPLES_MAX).filter(({ atMs }) => atMs >= sinceMs)
  }
}
