import type { AcceptorRecord } from '../../protocol/core/ports.ts'
import type { RecordCodec } from '../../protocol/store/codec.ts'

/** Records as JSON: for tests of the store that need no wire. */
export const JSON_CODEC: RecordCodec = {
  encodeRecord: (record) => Buffer.from(JSON.stringify(record)),
  decodeRecord: (bytes) => {
    const record = JSON.parse(Buffer.from(bytes).toString('utf8')) as AcceptorRecord
    if (typeof record.promised?.round !== 'number') throw new Error('no record')
    return { promised: record.promised, accepted: record.accepted }
  }
}
