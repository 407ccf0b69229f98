import { type MessageCodec, refusing, sized, US } from './codec.ts'
import { FieldReader } from './field-reader.ts'
import { FieldWriter } from './field-writer.ts'

/** A message whose fields are read and written straight from and to its domain form. */
export interface FieldShape<Domain> {
  /** For people, as in "sync request". */
  readonly what: string
  readonly bytesMax: number
  /** Reads only what `write` writes; both throw a Refusal for what may not be. */
  readonly read: (reader: FieldReader) => Domain
  readonly write: (writer: FieldWriter, message: Domain) => void
}

const WRITER = new FieldWriter()

/** For messages that pass many times a second; others are left to generated code. */
export function fieldCodec<Domain>(shape: FieldShape<Domain>): MessageCodec<Domain> {
  const { what, bytesMax, read, write } = shape
  return {
    encode: (message) => {
      try {
        return sized(WRITER.whole(message, write), what, bytesMax)
      } catch (error) {
        throw refusing(error, what, US)
      }
    },
    decode: (bytes, from = 'a peer') => {
      try {
        return new FieldReader(sized(bytes, what, bytesMax)).whole(read)
      } catch (error) {
        throw refusing(error, what, from)
      }
    }
  }
}
