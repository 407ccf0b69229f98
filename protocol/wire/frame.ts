import { FRAME_BYTES_MAX, NAME_CHARACTERS_MAX } from '../core/limits.ts'
import { fieldCodec } from './field-codec.ts'
import { blob, refuse } from './fields.ts'
import { numbered } from './numbered.ts'

/** One message of a request stream. */
export interface Frame {
  /** Chosen by the asker; its answer carries the same. Below 2**32. */
  readonly id: number
  readonly kind: 'request' | 'response' | 'error'
  readonly body: Uint8Array
  /** Of an error; '' otherwise. */
  readonly code: string
}

/** Bytes that a frame adds to its body at most: tags, lengths, id and code. */
export const FRAME_OVERHEAD_BYTES = 256

const ID_MAX = 0xff_ff_ff_ff

/** As `frame.proto` numbers them. */
const kinds = numbered<Frame['kind']>('kind', { request: 1, response: 2, error: 3 })

const frames = fieldCodec<Frame>({
  what: 'frame',
  bytesMax: FRAME_BYTES_MAX + FRAME_OVERHEAD_BYTES,
  write: (writer, frame) => {
    checkCode(frame)
    writer.lineOrNone(4, 'code', frame.code, NAME_CHARACTERS_MAX)
    writer.bytes(3, blob(frame.body, FRAME_BYTES_MAX, 'body'))
    writer.name(2, frame.kind, kinds)
    writer.count(1, 'id', frame.id, ID_MAX)
  },
  read: (reader) => {
    const frame: Frame = {
      id: reader.count(1, 'id', ID_MAX),
      kind: reader.name(2, kinds),
      body: blob(reader.bytes(3, 'body'), FRAME_BYTES_MAX, 'body'),
      code: reader.lineOrNone(4, 'code', NAME_CHARACTERS_MAX)
    }
    checkCode(frame)
    return frame
  }
})

/** Throws MESSAGE_INVALID, MESSAGE_TOO_LARGE. */
export function encodeFrame(frame: Frame): Uint8Array {
  return frames.encode(frame)
}

/**
 * Throws MESSAGE_INVALID, MESSAGE_TOO_LARGE. The body lies in `bytes`: decode it, or copy it,
 * before they are used again.
 */
export function decodeFrame(bytes: Uint8Array, from?: string): Frame {
  return frames.decode(bytes, from)
}

function checkCode({ kind, code }: Frame): void {
  if ((kind === 'error') !== (code !== '')) refuse('code', `is ${JSON.stringify(code)} in ${kind}`)
}
