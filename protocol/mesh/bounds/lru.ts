import { Chain, type Linked } from './chain.ts'

interface Entry<K, V> extends Linked<Entry<K, V>> {
  readonly key: K
  value: V
}

/** A map with a maximum: the entry that was used longest ago goes first. */
export class Lru<K, V> {
  readonly #entries = new Map<K, Entry<K, V>>()
  readonly #order = new Chain<Entry<K, V>>()
  readonly #max: number

  constructor(max: number) {
    this.#max = max
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: K): V | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#used(entry)
    return entry.value
  }

  has(key: K): boolean {
    return this.#entries.has(key)
  }

  /** Gives the entry that had to go, if one had to. */
  set(key: K, value: V): readonly [K, V] | undefined {
    const known = this.#entries.get(key)
    if (known !== undefined) {
      known.value = value
      this.#used(known)
      return undefined
    }
    const entry = { key, value, older: undefined, younger: undefined }
    this.#entries.set(key, entry)
    this.#order.add(entry)
    return this.#entries.size > this.#max ? this.evict() : undefined
  }

  delete(key: K): boolean {
    const entry = this.#entries.get(key)
    if (entry === undefined) return false
    this.#order.remove(entry)
    return this.#entries.delete(key)
  }

  /** Removes the oldest entry. */
  evict(): readonly [K, V] | undefined {
    const { oldest } = this.#order
    if (oldest === undefined) return undefined
    this.delete(oldest.key)
    return [oldest.key, oldest.value]
  }

  #used(entry: Entry<K, V>): void {
    if (entry === this.#order.youngest) return
    this.#order.remove(entry)
    this.#order.add(entry)
  }
}
