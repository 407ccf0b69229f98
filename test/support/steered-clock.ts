import type { Clock } from '../../protocol/core/ports.ts'
import { systemClock } from '../../protocol/host/clock.ts'

/**
 * The real clock, for tests over real sockets, with two handles: the wall clock can be set, and
 * waits of one certain length end only when the test says so.
 */
export class SteeredClock implements Clock {
  readonly #inner = systemClock()
  readonly #heldMs: number
  readonly #held = new Set<() => void>()
  #wallOffsetMs = 0

  constructor(heldMs: number) {
    this.#heldMs = heldMs
  }

  bootMs(): number {
    return this.#inner.bootMs()
  }

  monotonicMs(): number {
    return this.#inner.monotonicMs()
  }

  wallMs(): number {
    return this.#inner.wallMs() + this.#wallOffsetMs
  }

  arm(afterMs: number, task: () => void): () => void {
    if (afterMs !== this.#heldMs) return this.#inner.arm(afterMs, task)
    this.#held.add(task)
    return () => this.#held.delete(task)
  }

  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs
  }

  /** How many held waits there are. */
  held(): number {
    return this.#held.size
  }

  /** Ends all held waits. */
  fire(): void {
    const tasks = [...this.#held]
    this.#held.clear()
    for (const task of tasks) task()
  }
}
