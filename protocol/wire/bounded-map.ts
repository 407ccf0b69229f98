/** Keeps the `max` entries that were set last: what hostile input can fill must have an end. */
export class BoundedMap<Key, Value> {
  readonly #entries = new Map<Key, Value>()
  readonly #max: number
  /** Where the oldest is; a new iterator would walk over all that was deleted before it. */
  #oldest = this.#entries.keys()

  constructor(max: number) {
    this.#max = max
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: Key): Value | undefined {
    return this.#entries.get(key)
  }

  set(key: Key, value: Value): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    if (this.#entries.size > this.#max) this.#evict()
  }

  #evict(): void {
    let oldest = this.#oldest.next()
    if (oldest.done === true) {
      this.#oldest = this.#entries.keys()
      oldest = this.#oldest.next()
    }
    if (oldest.done !== true) this.#entries.delete(oldest.value)
  }
}
