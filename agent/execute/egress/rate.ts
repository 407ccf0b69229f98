/** At most so many in any one window of a second, which begins with its first. */
export class Rate {
  readonly #max: number
  readonly #nowMs: () => number
  #since = Number.NEGATIVE_INFINITY
  #count = 0

  constructor(perSecond: number, nowMs: () => number) {
    this.#max = perSecond
    this.#nowMs = nowMs
  }

  /** Whether there is room for one more, which is then counted. */
  take(): boolean {
    const now = this.#nowMs()
    if (now - this.#since >= 1_000) {
      this.#since = now
      this.#count = 0
    }
    if (this.#count >= this.#max) return false
    this.#count += 1
    return true
  }
}
