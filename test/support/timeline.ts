/**
 * True time, chance and the order of events of one simulated world; the same seed, the same world.
 */
export class Timeline {
  nowMs = 0
  #state: number
  #order = 0
  #queue: { readonly atMs: number; readonly order: number; readonly task: () => void }[] = []

  constructor(seed: number) {
    this.#state = (seed ^ 0x9e3779b9) >>> 0
  }

  /** Uniform in [0, 1); mulberry32. */
  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  between(least: number, most: number): number {
    return least + this.random() * (most - least)
  }

  id(): string {
    return Math.floor(this.random() * 2 ** 52)
      .toString(16)
      .padStart(16, '0')
  }

  /** A boot clock that starts anywhere and drifts by up to `driftRate`. */
  clock(driftRate: number): LocalClock {
    const rate = 1 + this.between(-driftRate, driftRate)
    const startMs = Math.floor(this.random() * 1_000_000)
    let lostMs = 0
    return {
      localMs: () => startMs + this.nowMs * rate - lostMs,
      // A hair later: rounding must not make a timer fire before its time, again and again.
      trueMs: (localMs) => (localMs + lostMs - startMs) / rate + 0.001,
      lose: (ms) => {
        lostMs += ms * rate
      }
    }
  }

  after(ms: number, task: () => void): void {
    this.at(this.nowMs + ms, task)
  }

  at(atMs: number, task: () => void): void {
    this.#order += 1
    const event = { atMs: Math.max(atMs, this.nowMs), order: this.#order, task }
    let low = 0
    let high = this.#queue.length
    // Latest first, so that the next event is taken from the end.
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#queue[middle]?.atMs ?? 0) > event.atMs) low = middle + 1
      else high = middle
    }
    this.#queue.splice(low, 0, event)
  }

  /** Runs all events up to `untilMs`, or until `done` holds after one of them. */
  run(untilMs: number, done: () => boolean = () => false): void {
    for (let next = this.#queue.at(-1); next !== undefined && next.atMs <= untilMs; ) {
      this.#queue.pop()
      this.nowMs = next.atMs
      next.task()
      if (done()) return
      next = this.#queue.at(-1)
    }
    this.nowMs = untilMs
  }
}

export interface LocalClock {
  localMs(): number
  trueMs(localMs: number): number
  /** Has stood still for so much true time, without whoever reads it: a hypervisor hid a pause. */
  lose(ms: number): void
}
