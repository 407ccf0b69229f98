interface Event {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

/** What happens when, in order of time, and of two at one time in the order of their planning. */
export class Events {
  readonly #heap: Event[] = []
  #order = 0
  nowMs = 0

  after(ms: number, run: () => void): void {
    this.#order += 1
    this.#push({ atMs: this.nowMs + ms, order: this.#order, run })
  }

  /** Runs all, until there are none or `isOver`. */
  run(isOver: () => boolean): void {
    while (!isOver()) {
      const next = this.#pop()
      if (next === undefined) return
      this.nowMs = next.atMs
      next.run()
    }
  }

  #push(event: Event): void {
    const heap = this.#heap
    let at = heap.push(event) - 1
    while (at > 0) {
      const up = (at - 1) >> 1
      if (!isBefore(heap, at, up)) return
      swap(heap, at, up)
      at = up
    }
  }

  #pop(): Event | undefined {
    const heap = this.#heap
    const [first] = heap
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    heap[0] = last
    for (let at = 0; ; ) {
      const least = [at, 2 * at + 1, 2 * at + 2].reduce((a, b) => (isBefore(heap, b, a) ? b : a))
      if (least === at) return first
      swap(heap, at, least)
      at = least
    }
  }
}

function isBefore(heap: readonly Event[], a: number, b: number): boolean {
  const [one, other] = [heap[a], heap[b]]
  if (one === undefined || other === undefined) return false
  return one.atMs - other.atMs < 0 || (one.atMs === other.atMs && one.order < other.order)
}

function swap(heap: Event[], a: number, b: number): void {
  const [one, other] = [heap[a], heap[b]]
  if (one === undefined || other === undefined) return
  heap[a] = other
  heap[b] = one
}
