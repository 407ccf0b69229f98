import type { Clock } from '../../protocol/core/ports.ts'

/** The look at the board that is due by time alone: at most one, that which was asked for last. */
export class NextLook {
  readonly #clock: Clock
  readonly #look: () => void
  #disarm: () => void = () => undefined

  constructor(clock: Clock, look: () => void) {
    this.#clock = clock
    this.#look = look
  }

  /** In so many milliseconds; never at infinity. */
  in(ms: number): void {
    this.#disarm()
    if (ms !== Number.POSITIVE_INFINITY) {
      this.#disarm = this.#clock.arm(Math.max(0, ms), this.#look)
    }
  }

  callOff(): void {
    this.#disarm()
  }
}
