import { FRAME_BYTES_MAX } from '../core/limits.ts'
import type { AcceptorRecord } from '../core/ports.ts'
import { loose, messageCodec } from './codec.ts'
import { optional } from './fields.ts'
import type * as wire from './generated/register.ts'
import { acceptorRecords } from './register-tables.ts'
import { ballotFromWire, ballotToWire } from './scope-parts.ts'
import { acceptedFromWire, acceptedToWire } from './value-codec.ts'

const records = messageCodec<AcceptorRecord, wire.AcceptorRecord>({
  what: 'register record',
  generated: acceptorRecords,
  limits: {},
  bytesMax: FRAME_BYTES_MAX,
  canonicalBy: 'decoder',
  toWire: (record) =>
    loose<wire.AcceptorRecord>({
      promised: ballotToWire(record.promised),
      accepted: optional(record.accepted, acceptedToWire)
    }),
  fromWire: (message) => ({
    promised: ballotFromWire(message.promised),
    accepted: optional(message.accepted, acceptedFromWire)
  })
})

/** What a witness stores of a register. Throws MESSAGE_INVALID, MESSAGE_TOO_LARGE. */
export function encodeRecord(record: AcceptorRecord): Uint8Array {
  return records.encode(record)
}

/** Throws MESSAGE_INVALID, MESSAGE_TOO_LARGE for bytes that encodeRecord did not make. */
export function decodeRecord(bytes: Uint8Array): AcceptorRecord {
  return records.decode(bytes, 'the store')
}
