export interface TallyValue {
  /** How many registers have a record or a tombstone. */
  readonly records: number
  /** XOR of the checksums of all of these rows, each of which covers its key. */
  readonly digest: number
}

/**
 * A fingerprint of all records and tombstones, in the same batch as each change of one. A record that is missing,
 * or one that an older version has come back for, does not fit it at the next start.
 */
export class Tally {
  #records: number
  #digest: number

  constructor(start: TallyValue = { records: 0, digest: 0 }) {
    this.#records = start.records
    this.#digest = start.digest
  }

  /** `before` is undefined for the first record under its key. */
  replace(before: number | undefined, after: number): void {
    if (before === undefined) this.#records += 1
    this.#digest = (this.#digest ^ (before ?? 0) ^ after) >>> 0
  }

  /** A tombstone whose time is over. */
  remove(before: number): void {
    this.#records -= 1
    this.#digest = (this.#digest ^ before) >>> 0
  }

  value(): TallyValue {
    return { records: this.#records, digest: this.#digest }
  }
}
