import { FRAME_BYTES_MAX } from '../core/limits.ts'
import type { RegisterReply, RegisterRequest } from '../core/messages.ts'
import { fieldCodec } from './field-codec.ts'
import { readReply, writeReply } from './reply-parts.ts'
import { readRequest, writeRequest } from './request-parts.ts'

const requests = fieldCodec<RegisterRequest>({
  what: 'register request',
  bytesMax: FRAME_BYTES_MAX,
  read: readRequest,
  write: writeRequest
})

const replies = fieldCodec<RegisterReply>({
  what: 'register reply',
  bytesMax: FRAME_BYTES_MAX,
  read: readReply,
  write: writeReply
})

/** Throws MESSAGE_INVALID, MESSAGE_TOO_LARGE. */
export function encodeRegisterRequest(request: RegisterRequest): Uint8Array {
  return requests.encode(request)
}

/** Throws MESSAGE_INVALID, MESSAGE_TOO_LARGE; `from` names the sender in them. */
export function decodeRegisterRequest(bytes: Uint8Array, from?: string): RegisterRequest {
  return requests.decode(bytes, from)
}

/** Throws MESSAGE_INVALID, MESSAGE_TOO_LARGE. */
export function encodeRegisterReply(reply: RegisterReply): Uint8Array {
  return replies.encode(reply)
}

/** Throws MESSAGE_INVALID, MESSAGE_TOO_LARGE; `from` names the sender in them. */
export function decodeRegisterReply(bytes: Uint8Array, from?: string): RegisterReply {
  return replies.decode(bytes, from)
}
