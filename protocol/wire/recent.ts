/** Places that a key may be at: with one only, two keys at hand would take it from each other. */
const PLACES = 4

/**
 * Some of the values that were set last, by a number; at most `max`, and the last four at least. In
 * places that are there from the start: a Map that is written all the time leaves old tables behind
 * that keep what they held alive, for the engine to copy, long after it was deleted.
 */
export class Recent<Value> {
  readonly #keys: Int32Array
  readonly #values: (Value | undefined)[]

  /** `max` is a multiple of four. */
  constructor(max: number) {
    this.#keys = new Int32Array(max)
    this.#values = new Array<Value | undefined>(max).fill(undefined)
  }

  /** `key` is a whole number of 32 bits, with its sign. */
  get(key: number): Value | undefined {
    const place = this.#placeOf(key)
    return place < 0 ? undefined : this.#values[place]
  }

  set(key: number, value: Value): void {
    const first = this.#firstOf(key)
    const place = this.#placeOf(key)
    // The oldest there goes, unless the key is there itself.
    for (let at = place < 0 ? first + PLACES - 1 : place; at > first; at -= 1) {
      this.#keys[at] = this.#keys[at - 1] as number
      this.#values[at] = this.#values[at - 1]
    }
    this.#keys[first] = key
    this.#values[first] = value
  }

  /** -1 where it is not there. */
  #placeOf(key: number): number {
    const first = this.#firstOf(key)
    for (let at = first; at < first + PLACES; at += 1) if (this.#keys[at] === key) return at
    return -1
  }

  #firstOf(key: number): number {
    return ((key >>> 0) % (this.#keys.length / PLACES)) * PLACES
  }
}
