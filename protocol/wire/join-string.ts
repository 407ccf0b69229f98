import { codeOf, MeshError } from '../core/errors.ts'
import type { InviteRole } from '../core/invite.ts'
import { JOIN_BYTES_MAX, JOIN_STRING_CHARACTERS_MAX } from '../core/join-limits.ts'
import { ADDRESSES_MAX } from '../core/limits.ts'
import { messageCodec } from './codec.ts'
import { bytesOf, count, hexOf, list, plain, refuse } from './fields.ts'
import * as wire from './generated/join.ts'
import { INVITE_ROLES_MAX, inviteRoles, joinAddress } from './join-codec.ts'
import { INVITE_SECRET_BYTES } from './join-proof.ts'
import { PUBLIC_KEY_BYTES, peerIdOfRaw, rawKeyOf } from './keys.ts'
import { sha256 } from './statement.ts'

/** All that a host needs to join a mesh. Whoever has it may join, once: it is a secret. */
export interface JoinTicket {
  /** Peer id of the mesh authority: what the joiner pins. */
  readonly authority: string
  readonly inviter: string
  /** Multiaddrs of the inviter. */
  readonly addresses: readonly string[]
  /** 32 hex digits. */
  readonly secret: string
  readonly roles: readonly InviteRole[]
  readonly isWitness: boolean
  readonly expiresMs: number
}

/** The number is raised with any change that an older joiner would not understand. */
const PREFIX = 'rmj1.'
const ANY_PREFIX = /^rmj\d+\./
/** Bytes of the checksum: one mistyped string in four thousand million passes. */
const CHECKSUM_BYTES = 4
const BASE64URL = /^[\w-]*$/

const tickets = messageCodec<JoinTicket, wire.JoinTicket>({
  what: 'join string',
  generated: wire.JoinTicket,
  limits: { addresses: ADDRESSES_MAX, roles: INVITE_ROLES_MAX },
  bytesMax: JOIN_BYTES_MAX,
  toWire: (ticket) => ({
    authority: plain(rawKeyOf(ticket.authority)),
    inviter: plain(rawKeyOf(ticket.inviter)),
    addresses: list(ticket.addresses, ADDRESSES_MAX, 'addresses', joinAddress),
    secret: bytesOf(ticket.secret, INVITE_SECRET_BYTES, 'secret'),
    roles: list(ticket.roles, INVITE_ROLES_MAX, 'roles', (role) => inviteRoles.toWire(role)),
    witness: ticket.isWitness,
    expiresMs: count(ticket.expiresMs, 'expiresMs')
  }),
  fromWire: (message) => ({
    authority: peerIdOfKey(message.authority, 'authority'),
    inviter: peerIdOfKey(message.inviter, 'inviter'),
    addresses: list(message.addresses, ADDRESSES_MAX, 'addresses', joinAddress),
    secret: hexOf(message.secret, INVITE_SECRET_BYTES, 'secret'),
    roles: list(message.roles, INVITE_ROLES_MAX, 'roles', (role) => inviteRoles.fromWire(role)),
    isWitness: message.witness,
    expiresMs: count(message.expiresMs, 'expiresMs')
  })
})

/** Throws MESSAGE_INVALID, MESSAGE_TOO_LARGE. */
export function encodeJoinString(ticket: JoinTicket): string {
  const bytes = tickets.encode(ticket)
  return `${PREFIX}${Buffer.concat([bytes, checksumOf(bytes)]).toString('base64url')}`
}

/** Throws JOIN_STRING_INVALID, which says what is wrong and never repeats the string. */
export function decodeJoinString(text: string): JoinTicket {
  const bytes = unwrapped(text.trim())
  try {
    return tickets.decode(bytes, 'the string')
  } catch (error) {
    // The checksum is right, so it was made so: a forger's string, or a faulty program's.
    const problem = `it holds what no \`agent invite\` prints (${codeOf(error) ?? 'unreadable'})`
    throw invalid(problem)
  }
}

function unwrapped(text: string): Uint8Array {
  if (text === '') throw invalid('it is empty')
  if (text.length > JOIN_STRING_CHARACTERS_MAX) {
    throw invalid(`it is over ${JOIN_STRING_CHARACTERS_MAX} characters long`)
  }
  if (!text.startsWith(PREFIX)) {
    const isOther = ANY_PREFIX.test(text)
    throw invalid(
      isOther
        ? 'it is of another release: use that release here'
        : `it does not start with ${PREFIX}`
    )
  }
  const body = text.slice(PREFIX.length)
  if (!BASE64URL.test(body)) throw invalid('it has characters that no join string has')
  const all = Buffer.from(body, 'base64url')
  const bytes = all.subarray(0, Math.max(0, all.length - CHECKSUM_BYTES))
  // Not secret, so not in constant time: it only tells a slip from a forgery. The second half: two
  // texts must not be one string.
  const isWhole = Buffer.compare(all.subarray(bytes.length), checksumOf(bytes)) === 0
  if (!isWhole || all.toString('base64url') !== body) throw invalid('it is cut short or mistyped')
  return bytes
}

function checksumOf(bytes: Uint8Array): Uint8Array {
  return sha256(bytes).subarray(0, CHECKSUM_BYTES)
}

function peerIdOfKey(raw: Uint8Array, field: string): string {
  if (raw.length !== PUBLIC_KEY_BYTES) refuse(field, `has ${raw.length} bytes`)
  return peerIdOfRaw(raw)
}

function invalid(problem: string): MeshError {
  return new MeshError('JOIN_STRING_INVALID', { problem })
}
