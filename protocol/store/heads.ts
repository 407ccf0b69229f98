import type { Ballot } from '../core/ballot.ts'

/** What must be known of a register's row to replace it. */
export interface Head {
  /** Where the index has it; 0: nowhere. */
  readonly place: number
  /** Of what is accepted. */
  readonly ballot: Ballot | undefined
  /** The row's; undefined where there is no row yet. */
  readonly checksum: number | undefined
}

/**
 * Heads of at most `max` registers. Those that came first leave first, since a forgotten one costs
 * only a read; but one that `isPinned` stays, since a write is behind it.
 */
export class Heads {
  readonly #heads = new Map<string, Head>()
  /** All keys, in a ring: a Map finds its oldest behind all that were deleted before it. */
  readonly #ring: string[] = []
  readonly #max: number
  readonly #isPinned: (key: string) => boolean
  #next = 0

  constructor(max: number, isPinned: (key: string) => boolean) {
    this.#max = max
    this.#isPinned = isPinned
  }

  get(key: string): Head | undefined {
    return this.#heads.get(key)
  }

  set(key: string, head: Head): void {
    const before = this.#heads.size
    this.#heads.set(key, head)
    if (this.#heads.size > before) this.#ring[this.#place()] = key
  }

  /** In the ring: a new one until it is full, and where all are pinned. */
  #place(): number {
    const { length } = this.#ring
    if (length < this.#max) return length
    for (let looked = 0; looked < length; looked += 1) {
      const place = this.#next
      this.#next = (place + 1) % length
      const oldest = this.#ring[place] as string
      if (this.#isPinned(oldest)) continue
      this.#heads.delete(oldest)
      return place
    }
    return length
  }
}
