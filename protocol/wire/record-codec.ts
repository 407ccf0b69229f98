import { FRAME_BYTES_MAX } from '../core/limits.ts'
import type { AcceptorRecord } from '../core/ports.ts'
import { fieldCodec } from './field-codec.ts'
import { readBallot, writeBallot } from './scope-parts.ts'
import { readAccepted, writeAccepted } from './value-codec.ts'

const records = fieldCodec<AcceptorRecord>({
  what: 'register record',
  bytesMax: FRAME_BYTES_MAX,
  write: (writer, record) => {
    writer.optionalMessage(2, record.accepted, writeAccepted)
    writer.message(1, record.promised, writeBallot)
  },
  read: (reader) => ({
    promised: reader.message(1, 'promised', readBallot),
    accepted: reader.optionalMessage(2, 'accepted', readAccepted)
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
