import { FRAME_BYTES_MAX } from '../core/limits.ts'
import type { RegisterReply, RegisterRequest } from '../core/messages.ts'
import { messageCodec } from './codec.ts'
import type * as wire from './generated/register.ts'
import { registerReplies, registerRequests } from './register-tables.ts'
import { REPLY_LIMITS, replyFromWire, replyToWire } from './reply-parts.ts'
import { REQUEST_LIMITS, requestFromWire, requestToWire } from './request-parts.ts'

const requests = messageCodec<RegisterRequest, wire.RegisterRequest>({
  what: 'register request',
  generated: registerRequests,
  limits: REQUEST_LIMITS,
  bytesMax: FRAME_BYTES_MAX,
  canonicalBy: 'decoder',
  toWire: requestToWire,
  fromWire: requestFromWire
})

const replies = messageCodec<RegisterReply, wire.RegisterReply>({
  what: 'register reply',
  generated: registerReplies,
  limits: REPLY_LIMITS,
  bytesMax: FRAME_BYTES_MAX,
  canonicalBy: 'decoder',
  toWire: replyToWire,
  fromWire: replyFromWire
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
