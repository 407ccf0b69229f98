import { FRAME_BYTES_MAX, NAME_CHARACTERS_MAX } from '../core/limits.ts'
import { messageCodec } from './codec.ts'
import { blob, count, lineOrNone, refuse } from './fields.ts'
import { frameBytes } from './frame-bytes.ts'
import * as wire from './generated/frame.ts'
import { names } from './names.ts'

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

const kinds = names<Frame['kind'], wire.FrameKind>('kind', {
  request: wire.FrameKind.FRAME_KIND_REQUEST,
  response: wire.FrameKind.FRAME_KIND_RESPONSE,
  error: wire.FrameKind.FRAME_KIND_ERROR
})

const frames = messageCodec<Frame, wire.Frame>({
  what: 'frame',
  generated: frameBytes,
  limits: {},
  bytesMax: FRAME_BYTES_MAX + FRAME_OVERHEAD_BYTES,
  canonicalBy: 'decoder',
  toWire: (frame) => {
    checkCode(frame)
    const { id, body, code } = parts(frame)
    return { id, kind: kinds.toWire(frame.kind), body: blob(body, FRAME_BYTES_MAX, 'body'), code }
  },
  fromWire: (message) => {
    const frame: Frame = { ...parts(message), kind: kinds.fromWire(message.kind) }
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

function parts(frame: Omit<Frame, 'kind'>): Omit<Frame, 'kind'> {
  return {
    id: count(frame.id, 'id', ID_MAX),
    body: blob(frame.body, FRAME_BYTES_MAX, 'body'),
    code: lineOrNone(frame.code, NAME_CHARACTERS_MAX, 'code')
  }
}

function checkCode({ kind, code }: Frame): void {
  if ((kind === 'error') !== (code !== '')) refuse('code', `is ${JSON.stringify(code)} in ${kind}`)
}
