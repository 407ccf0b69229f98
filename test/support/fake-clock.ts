import type { Clock } from '../../protocol/core/ports.ts'

interface Timer {
  readonly atMs: number
  readonly order: number
  readonly task: () => void
}

/** Wall clock of a fresh FakeClock, minus its boot clock: some day in 2027. */
const WALL_OFFSET_MS = 1_800_000_000_000

/**
 * Time that stands still until a test moves it. Tasks run at their own instant, in the order in
 * which they were armed, and all promises that they woke settle before the next one runs.
 */
export class FakeClock implements Clock {
  #nowMs: number
  #wallOffsetMs = WALL_OFFSET_MS
  #order = 0
  readonly #timers = new Set<Timer>()

  constructor(startMs = 1_000_000) {
    this.#nowMs = startMs
  }

  bootMs(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  wallMs(): number {
    return this.#nowMs + this.#wallOffsetMs
  }

  arm(afterMs: number, task: () => void): () => void {
    this.#order += 1
    // Whole milliseconds, as the real clock gives them.
    const timer = { atMs: this.#nowMs + Math.ceil(Math.max(0, afterMs)), order: this.#order, task }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** How many tasks are armed: 0 after everything was stopped. */
  armed(): number {
    return this.#timers.size
  }

  /** Sets only the wall clock, as an operator or NTP does; no lease may care. */
  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs
  }

  /** Moves time by `ms`; every task due on the way runs at its own time. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    await turn()
    for (let next = this.#next(); next !== undefined && next.atMs <= endMs; next = this.#next()) {
      await this.#run(next)
    }
    this.#nowMs = endMs
  }

  /** Moves time, timer by timer, until `done`; throws when that takes more than `limitMs`. */
  async until(done: () => boolean, limitMs: number): Promise<void> {
    const endMs = this.#nowMs + limitMs
    await turn()
    while (!done()) {
      const next = this.#next()
      if (next === undefined) throw new Error('nothing is armed that could end the wait')
      if (next.atMs > endMs) throw new Error(`not done within ${limitMs} ms of simulated time`)
      await this.#run(next)
    }
  }

  /** Moves time until `promise` settles, and gives its result. */
  async settle<T>(promise: Promise<T>, limitMs: number): Promise<T> {
    let settled = false
    const watched = promise.finally(() => {
      settled = true
    })
    // Kept from being reported as unhandled while time moves; the await below still throws it.
    watched.catch(() => undefined)
    await this.until(() => settled, limitMs)
    return await watched
  }

  #next(): Timer | undefined {
    let first: Timer | undefined
    for (const timer of this.#timers) {
      if (first === undefined || isBefore(timer, first)) first = timer
    }
    return first
  }

  async #run(timer: Timer): Promise<void> {
    this.#timers.delete(timer)
    this.#nowMs = Math.max(this.#nowMs, timer.atMs)
    timer.task()
    await turn()
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.atMs === b.atMs ? a.order < b.order : a.atMs < b.atMs
}

/** Lets every promise that is ready settle: one turn of the event loop drains them all. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
