import { causeOf, MeshError } from '../core/errors.ts'
import type { RecordCodec } from './codec.ts'
import { crc32c } from './crc32c.ts'
import type { Database } from './database.ts'
import { isFiltered } from './filtered-database.ts'
import { behind, CHECKED_PREFIXES, META_WSEQ, recordKey, sequenceOf } from './keys.ts'
import { type IndexRow, unpackRow } from './record-row.ts'
import type { RowFilter } from './row-filter.ts'
import { sealedChecksum, unsealJson, unsealValue } from './sealed-value.ts'
import { Tally, type TallyValue } from './tally.ts'

export interface RowCheckParts {
  readonly database: Database
  readonly codec: RecordCodec
  /** Learns the keys that `isFiltered`. */
  readonly filter: RowFilter
}

export interface StoreState extends TallyValue {
  /** Sequence of the last synced batch. */
  readonly wseq: number
}

/**
 * The full scan of lease-protocol 4.8 (3). Resolves with the store's counters; throws STORE_SUSPECT
 * for a row that fails its checksum or format, for one that is missing and for one that is old.
 */
export async function checkRows(parts: RowCheckParts, dir: string): Promise<StoreState> {
  try {
    const scan = new Scan(parts, dir)
    for (const prefix of CHECKED_PREFIXES) await scan.check(prefix)
    return scan.state()
  } catch (error) {
    if (error instanceof MeshError) throw error
    throw new MeshError('STORE_SUSPECT', { dir, cause: causeOf(error) }, { cause: error })
  }
}

class Scan {
  readonly #database: Database
  readonly #codec: RecordCodec
  readonly #filter: RowFilter
  readonly #dir: string
  readonly #tally = new Tally()
  /** Rows of r/ and i/ must name each other: each pair leaves zero. */
  #places = 0
  #state: StoreState | undefined

  constructor(parts: RowCheckParts, dir: string) {
    this.#database = parts.database
    this.#codec = parts.codec
    this.#filter = parts.filter
    this.#dir = dir
  }

  async check(prefix: string): Promise<void> {
    const range = { gt: prefix, lt: behind(prefix) }
    for await (const [key, sealed] of this.#database.iterator(range)) this.#row(key, sealed)
  }

  state(): StoreState {
    const state = this.#state
    if (state === undefined) throw this.#suspect('its counters are missing')
    const { records, digest } = this.#tally.value()
    if (state.records !== records) {
      throw this.#suspect(`it has ${records} records of ${state.records}`)
    }
    if (state.digest !== digest) throw this.#suspect('a record is older than the last write')
    if (this.#places !== 0) throw this.#suspect('records and index differ')
    return state
  }

  #row(key: string, sealed: Uint8Array): void {
    const payload = unsealValue(this.#dir, key, sealed)
    if (isFiltered(key)) this.#filter.add(key)
    if (key === META_WSEQ) {
      this.#state = unsealJson<StoreState>(this.#dir, key, sealed)
    } else if (key.startsWith('r/')) {
      const { place, record } = unpackRow(payload)
      this.#codec.decodeRecord(record)
      this.#tally.replace(undefined, sealedChecksum(sealed))
      if (place !== 0) this.#place(key, place)
    } else if (key.startsWith('t/')) {
      this.#tally.replace(undefined, sealedChecksum(sealed))
    } else if (key.startsWith('i/')) {
      const row = unsealJson<IndexRow>(this.#dir, key, sealed)
      this.#place(recordKey(row), sequenceOf(key))
    }
  }

  #place(key: string, place: number): void {
    this.#places = (this.#places ^ crc32c(Buffer.from(`${key}#${place}`))) >>> 0
  }

  #suspect(cause: string): MeshError {
    return new MeshError('STORE_SUSPECT', { dir: this.#dir, cause })
  }
}
