/** What stands in a chain; the two fields are the chain's own. */
export interface Linked<Item> {
  older: Item | undefined
  younger: Item | undefined
}

/**
 * Items in the order in which they came, each in one chain at most. Unlike in a Map, one in the
 * middle leaves without a trace: a Map's oldest entry is found behind all that were removed.
 */
export class Chain<Item extends Linked<Item>> {
  #oldest: Item | undefined
  #youngest: Item | undefined

  get oldest(): Item | undefined {
    return this.#oldest
  }

  get youngest(): Item | undefined {
    return this.#youngest
  }

  /** `item` is in no chain. */
  add(item: Item): void {
    item.older = this.#youngest
    if (this.#youngest === undefined) this.#oldest = item
    else this.#youngest.younger = item
    this.#youngest = item
  }

  /** `item` is in this chain. */
  remove(item: Item): void {
    const { older, younger } = item
    if (older === undefined) this.#oldest = younger
    else older.younger = younger
    if (younger === undefined) this.#youngest = older
    else younger.older = older
    item.older = undefined
    item.younger = undefined
  }

  /** Oldest first; the item at hand may leave meanwhile. */
  *[Symbol.iterator](): Generator<Item> {
    let next = this.#oldest
    while (next !== undefined) {
      const item = next
      next = item.younger
      yield item
    }
  }
}
