/** Where a run stands in time: when it was announced, then by id. */
export interface RunPlace {
  readonly issuedAtMs: number
  readonly runId: string
}

/** Runs by age, kept in order so that no listing has to sort. */
export class RunOrder {
  readonly #places: RunPlace[] = []

  add(place: RunPlace): void {
    this.#places.splice(this.#position(place), 0, place)
  }

  remove(place: RunPlace): void {
    const at = this.#position(place)
    if (this.#places[at]?.runId === place.runId) this.#places.splice(at, 1)
  }

  *oldest(): Generator<string> {
    for (const place of this.#places) yield place.runId
  }

  /** From the newest, or from `place` on, which is included while it is still there. */
  *newest(from?: RunPlace): Generator<string> {
    let at = this.#places.length - 1
    if (from !== undefined) {
      at = this.#position(from)
      if (this.#places[at]?.runId !== from.runId) at -= 1
    }
    for (; at >= 0; at -= 1) {
      const place = this.#places[at]
      if (place !== undefined) yield place.runId
    }
  }

  #position(place: RunPlace): number {
    let low = 0
    let high = this.#places.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const other = this.#places[middle]
      if (other !== undefined && isBefore(other, place)) low = middle + 1
      else high = middle
    }
    return low
  }
}

function isBefore(a: RunPlace, b: RunPlace): boolean {
  return a.issuedAtMs === b.issuedAtMs ? a.runId < b.runId : a.issuedAtMs < b.issuedAtMs
}
