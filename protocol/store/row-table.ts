import type { Committer } from './committer.ts'
import type { StoreOp } from './database.ts'
import { behind, rowKey, sequenceOf, type TablePrefix } from './keys.ts'
import type { Reader } from './reader.ts'
import { sealJson } from './sealed-value.ts'

export interface NumberedRow<Row> {
  /** Given by whoever keeps the table; never that of another row that is there. */
  readonly number: number
  readonly row: Row
}

/** Rows of JSON under numbers. All calls reject with STORE_FAILED once a write has failed. */
export interface RowTable {
  /** In order of their numbers. Throws STORE_SUSPECT. */
  load<Row>(): AsyncIterable<NumberedRow<Row>>
  read<Row>(number: number): Promise<Row | undefined>
  /** Resolves once all of it is synced, in one batch. Rejects with OVERLOADED, too. */
  write(rows: readonly NumberedRow<unknown>[], removed?: readonly number[]): Promise<void>
}

export interface RowTableParts {
  readonly reader: Reader
  readonly committer: Committer
}

/** What a write weighs besides its rows. */
const WRITE_BYTES = 256

export class LevelRowTable implements RowTable {
  readonly #reader: Reader
  readonly #committer: Committer
  readonly #prefix: TablePrefix

  constructor(parts: RowTableParts, prefix: TablePrefix) {
    this.#reader = parts.reader
    this.#committer = parts.committer
    this.#prefix = prefix
  }

  async *load<Row>(): AsyncIterable<NumberedRow<Row>> {
    const range = { gt: this.#prefix, lt: behind(this.#prefix) }
    for await (const [key, sealed] of this.#reader.rows(range)) {
      yield { number: sequenceOf(key), row: this.#reader.unsealJson<Row>(key, sealed) }
    }
  }

  read<Row>(number: number): Promise<Row | undefined> {
    return this.#reader.json<Row>(rowKey(this.#prefix, number))
  }

  async write(
    rows: readonly NumberedRow<unknown>[],
    removed: readonly number[] = []
  ): Promise<void> {
    const operations: StoreOp[] = removed.map((number) => {
      return { type: 'del', key: rowKey(this.#prefix, number) }
    })
    let bytes = WRITE_BYTES
    for (const { number, row } of rows) {
      const key = rowKey(this.#prefix, number)
      const value = sealJson(key, row)
      bytes += value.length
      operations.push({ type: 'put', key, value })
    }
    await this.#committer.write({ bytes, ready: undefined, plan: () => operations })
  }
}
