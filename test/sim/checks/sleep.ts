import type { SimEvent } from '../events.ts'

/** Which hosts were suspended until when, and which clocks can no longer be believed. */
export class Sleep {
  readonly #untilMs = new Map<string, number>()
  readonly #lagging = new Set<string>()

  see(event: SimEvent): void {
    if (event.kind === 'lags') this.#lagging.add(event.host)
    if (event.kind !== 'sleeps') return
    this.#untilMs.set(event.host, Math.max(event.untilMs, this.wokeMs(event.host)))
  }

  isLagging(host: string): boolean {
    return this.#lagging.has(host)
  }

  /** When the last sleep of the host is over; minus infinity where it never slept. */
  wokeMs(host: string): number {
    return this.#untilMs.get(host) ?? Number.NEGATIVE_INFINITY
  }
}
