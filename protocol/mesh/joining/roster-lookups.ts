import { ROSTER_REQUEST_MS_MAX, ROSTERS_KEPT_MAX } from '../../core/limits.ts'
import type { Clock } from '../../core/ports.ts'
import { Lru } from '../bounds/lru.ts'
import { stopController } from '../bounds/stop-controller.ts'
import type { RosterExchange } from './roster-exchange.ts'

/**
 * Fetches rosters of witness epochs that something here names and nobody here knows: one at a time,
 * and the same one not again for a while, since anybody can name an epoch that never was.
 */
export class RosterLookups {
  readonly #exchange: Pick<RosterExchange, 'fetch'>
  readonly #clock: Clock
  readonly #nextMs = new Lru<number, number>(ROSTERS_KEPT_MAX)
  readonly #stop = stopController()
  #running: Promise<unknown> | undefined

  constructor(parts: { readonly exchange: Pick<RosterExchange, 'fetch'>; readonly clock: Clock }) {
    this.#exchange = parts.exchange
    this.#clock = parts.clock
  }

  want(witnessEpoch: number): void {
    const nowMs = this.#clock.bootMs()
    if (this.#running !== undefined || this.#stop.signal.aborted) return
    if (nowMs < (this.#nextMs.get(witnessEpoch) ?? 0)) return
    this.#nextMs.set(witnessEpoch, nowMs + PAUSE_MS)
    this.#running = this.#exchange
      .fetch(witnessEpoch, this.#stop.signal)
      // A roster that nobody has is no error of ours: whoever named it tells again.
      .catch(() => false)
      .finally(() => {
        this.#running = undefined
      })
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }
}

/** Milliseconds before the same epoch is looked for again. */
const PAUSE_MS = 2 * ROSTER_REQUEST_MS_MAX
