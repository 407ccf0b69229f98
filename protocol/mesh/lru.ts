/** A map with a maximum: the entry that was used longest ago goes first. */
export class Lru<K, V> {
  readonly #entries = new Map<K, V>()
  readonly #max: number
  /** Where the oldest is; a new iterator would walk over all that was deleted before it. */
  #oldest = this.#entries.entries()

  constructor(max: number) {
    this.#max = max
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key)
    if (value === undefined) return undefined
    // Moved to the young end: Map keeps insertion order.
    this.#entries.delete(key)
    this.#entries.set(key, value)
    return value
  }

  has(key: K): boolean {
    return this.#entries.has(key)
  }

  /** Gives the entry that had to go, if one had to. */
  set(key: K, value: V): readonly [K, V] | undefined {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    return this.#entries.size > this.#max ? this.evict() : undefined
  }

  delete(key: K): boolean {
    return this.#entries.delete(key)
  }

  /** Removes the oldest entry. */
  evict(): readonly [K, V] | undefined {
    let oldest = this.#oldest.next()
    if (oldest.done === true) {
      this.#oldest = this.#entries.entries()
      oldest = this.#oldest.next()
    }
    if (oldest.done === true) return undefined
    this.#entries.delete(oldest.value[0])
    return oldest.value
  }

  clear(): void {
    this.#entries.clear()
  }
}
