import type { Clock } from '../../core/ports.ts'
import { Lru } from './lru.ts'

export interface WorkMeterOptions {
  /** Units that one peer may use a second, on average. */
  readonly unitsPerS: number
  /** Units that one peer may use at once after a pause. */
  readonly burstUnits: number
  /** Peers remembered. */
  readonly peersMax: number
}

interface Purse {
  units: number
  atMs: number
}

/** A token bucket for each peer: one that asks too much is refused, the others do not notice. */
export class WorkMeter {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #options: WorkMeterOptions
  readonly #purses: Lru<string, Purse>

  constructor(clock: Pick<Clock, 'monotonicMs'>, options: WorkMeterOptions) {
    this.#clock = clock
    this.#options = options
    this.#purses = new Lru(options.peersMax)
  }

  /** Takes `units` from the peer's purse; false, and nothing taken, when it has less. */
  take(peer: string, units: number): boolean {
    const nowMs = this.#clock.monotonicMs()
    const purse = this.#purses.get(peer) ?? this.#newPurse(peer, nowMs)
    const earned = ((nowMs - purse.atMs) * this.#options.unitsPerS) / 1_000
    purse.units = Math.min(this.#options.burstUnits, purse.units + earned)
    purse.atMs = nowMs
    const enough = purse.units >= units
    if (enough) purse.units -= units
    return enough
  }

  /**
   * Takes `units` of what was done already, also from a purse that has less: the peer is refused
   * until it has earned them. Never more than a burst below nothing.
   */
  owe(peer: string, units: number): void {
    if (this.take(peer, units)) return
    const purse = this.#purses.get(peer)
    if (purse !== undefined) purse.units = Math.max(-this.#options.burstUnits, purse.units - units)
  }

  #newPurse(peer: string, atMs: number): Purse {
    const purse = { units: this.#options.burstUnits, atMs }
    this.#purses.set(peer, purse)
    return purse
  }
}
