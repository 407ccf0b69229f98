import type { Invite, InviteRefusal, InviteRole, Invites, Joiner } from '../core/invite.ts'
import { INVITES_KEPT_MAX, JOIN_BYTES_MAX } from '../core/join-limits.ts'
import {
  ADDRESS_CHARACTERS_MAX,
  ADDRESSES_MAX,
  FRAME_BYTES_MAX,
  NAME_CHARACTERS_MAX,
  ROSTER_BYTES_MAX
} from '../core/limits.ts'
import { loose, messageCodec } from './codec.ts'
import {
  blob,
  bytesOf,
  bytesOrNone,
  count,
  hexOf,
  hexOrNone,
  ID_BYTES,
  line,
  list,
  need,
  optional,
  ownBlob,
  peerId,
  refuse
} from './fields.ts'
import * as wire from './generated/join.ts'
import { INVITE_ID_BYTES, INVITE_SECRET_BYTES, JOIN_MAC_BYTES } from './join-proof.ts'
import { names } from './names.ts'

/** What a joiner says of itself. */
export interface JoinClaim {
  /** 16 hex digits. */
  readonly invite: string
  readonly joiner: Joiner
  readonly name: string
  /** 32 hex digits. */
  readonly storeId: string
  /** Multiaddrs where others reach it. */
  readonly addresses: readonly string[]
  /** TCP ports where it listens on all its addresses: the inviter sees one of those. */
  readonly ports: readonly number[]
}

export interface JoinRequest {
  /** An encoded JoinClaim: the code is over these bytes. */
  readonly claim: Uint8Array
  readonly mac: Uint8Array
}

/** What an inviter may refuse for besides the invite itself. */
export type JoinRefusal = InviteRefusal | 'name_taken' | 'address_absent' | 'not_admitted'

export type JoinReply =
  | { readonly kind: 'admitted'; readonly roster: Uint8Array }
  | { readonly kind: 'refused'; readonly reason: JoinRefusal }

/** One a role. */
export const INVITE_ROLES_MAX = 3
const PORT_MAX = 65_535
/** Bytes of all invites that are kept, with room. */
const INVITE_FILE_BYTES_MAX = 32_768

export const inviteRoles = names<InviteRole, wire.InviteRole>('role', {
  agent: wire.InviteRole.INVITE_ROLE_AGENT,
  gateway: wire.InviteRole.INVITE_ROLE_GATEWAY,
  operator: wire.InviteRole.INVITE_ROLE_OPERATOR
})

const joiners = names<Joiner, wire.InviteRole>('joiner', {
  agent: wire.InviteRole.INVITE_ROLE_AGENT,
  gateway: wire.InviteRole.INVITE_ROLE_GATEWAY
})

const refusals = names<JoinRefusal, wire.JoinRefusal>('refused', {
  unknown: wire.JoinRefusal.JOIN_REFUSAL_UNKNOWN,
  used: wire.JoinRefusal.JOIN_REFUSAL_USED,
  expired: wire.JoinRefusal.JOIN_REFUSAL_EXPIRED,
  forged: wire.JoinRefusal.JOIN_REFUSAL_FORGED,
  other_role: wire.JoinRefusal.JOIN_REFUSAL_OTHER_ROLE,
  name_taken: wire.JoinRefusal.JOIN_REFUSAL_NAME_TAKEN,
  address_absent: wire.JoinRefusal.JOIN_REFUSAL_ADDRESS_ABSENT,
  not_admitted: wire.JoinRefusal.JOIN_REFUSAL_NOT_ADMITTED
})

const claims = messageCodec<JoinClaim, wire.JoinClaim>({
  what: 'join claim',
  generated: wire.JoinClaim,
  limits: { addresses: ADDRESSES_MAX, ports: ADDRESSES_MAX },
  bytesMax: JOIN_BYTES_MAX,
  toWire: (claim) => ({
    ...claimParts(claim),
    invite: bytesOf(claim.invite, INVITE_ID_BYTES, 'invite'),
    joiner: joiners.toWire(claim.joiner),
    storeId: bytesOf(claim.storeId, ID_BYTES, 'storeId')
  }),
  fromWire: (message) => ({
    ...claimParts(message),
    invite: hexOf(message.invite, INVITE_ID_BYTES, 'invite'),
    joiner: joiners.fromWire(message.joiner),
    storeId: hexOf(message.storeId, ID_BYTES, 'storeId')
  })
})

const requests = messageCodec<JoinRequest, wire.JoinRequest>({
  what: 'join request',
  generated: wire.JoinRequest,
  limits: {},
  bytesMax: JOIN_BYTES_MAX,
  toWire: ({ claim, mac }) => ({ claim: blob(claim, JOIN_BYTES_MAX, 'claim'), mac: macOf(mac) }),
  fromWire: ({ claim, mac }) => ({
    claim: ownBlob(claim, JOIN_BYTES_MAX, 'claim'),
    mac: new Uint8Array(macOf(mac))
  })
})

const replies = messageCodec<JoinReply, wire.JoinReply>({
  what: 'join reply',
  generated: wire.JoinReply,
  limits: {},
  bytesMax: FRAME_BYTES_MAX,
  toWire: (reply) =>
    reply.kind === 'admitted'
      ? { roster: blob(reply.roster, ROSTER_BYTES_MAX, 'roster') }
      : { refused: refusals.toWire(reply.reason) },
  fromWire: ({ roster, refused }) =>
    roster === undefined
      ? { kind: 'refused', reason: refusals.fromWire(need(refused, 'reply')) }
      : { kind: 'admitted', roster: ownBlob(roster, ROSTER_BYTES_MAX, 'roster') }
})

const files = messageCodec<Invites, wire.InviteFile>({
  what: 'invites',
  generated: wire.InviteFile,
  limits: { invites: INVITES_KEPT_MAX, invites$: { roles: INVITE_ROLES_MAX } },
  bytesMax: INVITE_FILE_BYTES_MAX,
  toWire: (invites) => ({ invites: list(invites, INVITES_KEPT_MAX, 'invites', recordToWire) }),
  fromWire: (message) => list(message.invites, INVITES_KEPT_MAX, 'invites', recordFromWire)
})

/** Throws MESSAGE_INVALID, MESSAGE_TOO_LARGE, as all of these do. */
export function encodeJoinClaim(claim: JoinClaim): Uint8Array {
  return claims.encode(claim)
}

export function decodeJoinClaim(bytes: Uint8Array, from?: string): JoinClaim {
  return claims.decode(bytes, from)
}

export function encodeJoinRequest(request: JoinRequest): Uint8Array {
  return requests.encode(request)
}

export function decodeJoinRequest(bytes: Uint8Array, from?: string): JoinRequest {
  return requests.decode(bytes, from)
}

export function encodeJoinReply(reply: JoinReply): Uint8Array {
  return replies.encode(reply)
}

export function decodeJoinReply(bytes: Uint8Array, from?: string): JoinReply {
  return replies.decode(bytes, from)
}

export function encodeInvites(invites: Invites): Uint8Array {
  return files.encode(invites)
}

export function decodeInvites(bytes: Uint8Array, from?: string): Invites {
  return files.decode(bytes, from)
}

type ClaimParts = Pick<JoinClaim, 'name' | 'addresses' | 'ports'>

function claimParts({ name, addresses, ports }: ClaimParts) {
  return {
    name: line(name, NAME_CHARACTERS_MAX, 'name'),
    addresses: list(addresses, ADDRESSES_MAX, 'addresses', joinAddress),
    ports: list(ports, ADDRESSES_MAX, 'ports', (port) => count(port, 'port', PORT_MAX, 1))
  }
}

export function joinAddress(value: string): string {
  return line(value, ADDRESS_CHARACTERS_MAX, 'address')
}

function macOf(mac: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = blob(mac, JOIN_MAC_BYTES, 'mac')
  return bytes.length === JOIN_MAC_BYTES ? bytes : refuse('mac', `has ${bytes.length} bytes`)
}

function recordToWire(invite: Invite): wire.InviteRecord {
  return loose<wire.InviteRecord>({
    ...recordParts(invite.expiresMs, invite.usedBy),
    id: bytesOf(invite.id, INVITE_ID_BYTES, 'id'),
    secret: bytesOrNone(invite.secret ?? '', INVITE_SECRET_BYTES, 'secret'),
    roles: list(invite.roles, INVITE_ROLES_MAX, 'roles', (role) => inviteRoles.toWire(role)),
    witness: invite.isWitness
  })
}

function recordFromWire(message: wire.InviteRecord): Invite {
  const secret = hexOrNone(message.secret, INVITE_SECRET_BYTES, 'secret')
  return {
    ...recordParts(message.expiresMs, message.usedBy),
    id: hexOf(message.id, INVITE_ID_BYTES, 'id'),
    secret: secret === '' ? undefined : secret,
    roles: list(message.roles, INVITE_ROLES_MAX, 'roles', (role) => inviteRoles.fromWire(role)),
    isWitness: message.witness
  }
}

function recordParts(expiresMs: number, usedBy: string | undefined) {
  return {
    expiresMs: count(expiresMs, 'expiresMs'),
    usedBy: optional(usedBy, (peer) => peerId(peer, 'usedBy'))
  }
}
