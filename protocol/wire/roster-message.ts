import { FRAME_BYTES_MAX, GOSSIP_BYTES_MAX, ROSTER_BYTES_MAX } from '../core/limits.ts'
import { loose, messageCodec } from './codec.ts'
import { blob, count, optional, ownBlob } from './fields.ts'
import * as wire from './generated/roster.ts'

/** Tells the asker's version and asks for what the answerer has. */
export interface RosterRequest {
  /** Of the asker's current roster; 0 where it has none. */
  readonly version: number
  /** Asks for the newest roster of that witness epoch; undefined asks for a current one. */
  readonly witnessEpoch: number | undefined
  /** The asker's sealed roster, where it knows that it is the newer one. */
  readonly bytes: Uint8Array | undefined
}

export interface RosterReply {
  /** Of the answerer's current roster. */
  readonly version: number
  /** The sealed roster that was asked for; undefined where the answerer has no such one. */
  readonly bytes: Uint8Array | undefined
}

/** Gossip: there is such a roster. */
export interface RosterHint {
  readonly version: number
  readonly witnessEpoch: number
}

const requests = messageCodec<RosterRequest, wire.RosterRequest>({
  what: 'roster request',
  generated: wire.RosterRequest,
  limits: {},
  bytesMax: FRAME_BYTES_MAX,
  toWire: (request) =>
    loose<wire.RosterRequest>({
      version: count(request.version, 'version'),
      witnessEpoch: optional(request.witnessEpoch, witnessEpoch),
      bytes: optional(request.bytes, (bytes) => blob(bytes, ROSTER_BYTES_MAX, 'roster'))
    }),
  fromWire: (message) => ({
    version: count(message.version, 'version'),
    witnessEpoch: optional(message.witnessEpoch, witnessEpoch),
    bytes: optional(message.bytes, (bytes) => ownBlob(bytes, ROSTER_BYTES_MAX, 'roster'))
  })
})

const replies = messageCodec<RosterReply, wire.RosterReply>({
  what: 'roster reply',
  generated: wire.RosterReply,
  limits: {},
  bytesMax: FRAME_BYTES_MAX,
  toWire: (reply) =>
    loose<wire.RosterReply>({
      version: count(reply.version, 'version'),
      bytes: optional(reply.bytes, (bytes) => blob(bytes, ROSTER_BYTES_MAX, 'roster'))
    }),
  fromWire: (message) => ({
    version: count(message.version, 'version'),
    bytes: optional(message.bytes, (bytes) => ownBlob(bytes, ROSTER_BYTES_MAX, 'roster'))
  })
})

const hintParts = (hint: RosterHint): RosterHint => ({
  version: count(hint.version, 'version'),
  witnessEpoch: witnessEpoch(hint.witnessEpoch)
})

const hints = messageCodec<RosterHint, wire.RosterHint>({
  what: 'roster hint',
  generated: wire.RosterHint,
  limits: {},
  bytesMax: GOSSIP_BYTES_MAX,
  toWire: hintParts,
  fromWire: hintParts
})

function witnessEpoch(value: number): number {
  return count(value, 'witnessEpoch')
}

/** Throws MESSAGE_INVALID, MESSAGE_TOO_LARGE, as all of these do. */
export function encodeRosterRequest(request: RosterRequest): Uint8Array {
  return requests.encode(request)
}

export function decodeRosterRequest(bytes: Uint8Array, from?: string): RosterRequest {
  return requests.decode(bytes, from)
}

export function encodeRosterReply(reply: RosterReply): Uint8Array {
  return replies.encode(reply)
}

export function decodeRosterReply(bytes: Uint8Array, from?: string): RosterReply {
  return replies.decode(bytes, from)
}

export function encodeRosterHint(hint: RosterHint): Uint8Array {
  return hints.encode(hint)
}

export function decodeRosterHint(bytes: Uint8Array, from?: string): RosterHint {
  return hints.decode(bytes, from)
}
