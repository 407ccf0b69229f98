import type { Clock } from '../../core/ports.ts'

/**
 * The boot clock as of its first look in a turn of the event loop, until what that turn has brought
 * about is done. Only for what came over the network: all of it was sent before that look, so that
 * an older time ends a lease here no sooner than its holder does, and lets in nobody earlier. What
 * this process asks of itself may have begun after it, however long the process stood still then.
 */
export class TurnClock {
  readonly #clock: Pick<Clock, 'bootMs'>
  #nowMs: number | undefined
  readonly #forget = (): void => {
    this.#nowMs = undefined
  }

  constructor(clock: Pick<Clock, 'bootMs'>) {
    this.#clock = clock
  }

  bootMs(): number {
    if (this.#nowMs !== undefined) return this.#nowMs
    this.#nowMs = this.#clock.bootMs()
    // Behind all that waits now, and before anything else is received.
    queueMicrotask(this.#forget)
    return this.#nowMs
  }
}
