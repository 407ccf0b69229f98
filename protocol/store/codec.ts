import type { AcceptorRecord } from '../core/ports.ts'

/**
 * How a register's record becomes bytes: wire's `encodeRecord` and `decodeRecord`. Passed in, so
 * that the store knows no encoding; `decodeRecord` throws on bytes that are no record.
 */
export interface RecordCodec {
  readonly encodeRecord: (record: AcceptorRecord) => Uint8Array
  readonly decodeRecord: (bytes: Uint8Array) => AcceptorRecord
}
