import type { Ballot } from '../core/ballot.ts'
import type { SyncItem } from '../core/messages.ts'
import type { AcceptorRecord } from '../core/ports.ts'
import { sealFilled } from './sealed-value.ts'

/** Enough for 281 million million writes, and no BigInt. */
const PLACE_BYTES = 6

/** One register's row: where the index has it (0: nowhere), then the record's own bytes; sealed. */
export function sealRow(key: string, place: number, record: Uint8Array): Uint8Array {
  return sealFilled(key, PLACE_BYTES + record.length, (sealed, start) => {
    sealed.writeUIntBE(place, start, PLACE_BYTES)
    sealed.set(record, start + PLACE_BYTES)
  })
}

export function unpackRow(row: Uint8Array): {
  readonly place: number
  readonly record: Uint8Array
} {
  const place = Buffer.from(row.buffer, row.byteOffset, PLACE_BYTES).readUIntBE(0, PLACE_BYTES)
  return { place, record: row.subarray(PLACE_BYTES) }
}

/** What the index keeps of a register; the sequence is its key. */
export type IndexRow = Omit<SyncItem, 'seq'>

/** Undefined while nothing is accepted: a promise alone is nothing that a peer could want. */
export function indexRow(witnessEpoch: number, record: AcceptorRecord): IndexRow | undefined {
  const value = record.accepted?.value
  if (value === undefined) return undefined
  const { register, version, phase, annHash } = value
  return { register, witnessEpoch, version, phase, annHash }
}

/** Of two ballots of one register; undefined where nothing is accepted. */
export function sameBallot(a: Ballot | undefined, b: Ballot | undefined): boolean {
  return a?.round === b?.round && a?.peer === b?.peer && a?.boot === b?.boot
}
