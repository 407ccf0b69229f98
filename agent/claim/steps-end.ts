import { TERM_GRACE_MS } from '../../protocol/core/limits.ts'
import type { Clock } from '../../protocol/core/ports.ts'

interface StepsEndParts {
  readonly clock: Clock
  /**
   * Makes durable that the steps are told to end; undefined where none has begun. What they exit
   * with after a SIGTERM of ours is our doing, and a process after this one must not take it for an
   * outcome.
   */
  readonly tell: (reason: 'cancelled' | 'drained') => Promise<void> | undefined
}

/** How the attempt of one lease is ended from outside: with a grace for its steps, or at once. */
export class StepsEnd {
  readonly #parts: StepsEndParts
  readonly #abort = new AbortController()
  /** Aborted where the grace of a cancel must end before its time. */
  readonly #kill = new AbortController()

  constructor(parts: StepsEndParts) {
    this.#parts = parts
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  get kill(): AbortSignal {
    return this.#kill.signal
  }

  /** SIGTERM and a grace, once that is on the disk. */
  begin(reason: 'cancelled' | 'drained'): void {
    const end = (): void => this.#abort.abort(reason)
    const told = this.#parts.tell(reason)
    if (told === undefined) {
      end()
      return
    }
    // A disk that hangs must not keep the steps from their end.
    const disarm = this.#parts.clock.arm(TERM_GRACE_MS, end)
    const done = (): void => {
      disarm()
      end()
    }
    // Of a store that has failed nobody reads anything, and the process ends.
    void told.then(done, done)
  }

  /**
   * A lost lease leaves no time for goodbyes, and no step is there for them between two of a
   * cancelled job; cancelled before, the steps are in their grace.
   */
  atOnce(reason: Error | 'cancelled'): void {
    this.#abort.abort(reason)
    this.#kill.abort()
  }

  /** An agent that ends does not wait for the whole grace of a cancel that it has seen before. */
  cut(): void {
    if (this.#kill.signal.aborted) return
    const disarm = this.#parts.clock.arm(TERM_GRACE_MS, () => this.#kill.abort())
    this.#kill.signal.addEventListener('abort', disarm, { once: true })
  }

  /** Nothing is left that could be cut short. */
  over(): void {
    this.#kill.abort()
  }
}
