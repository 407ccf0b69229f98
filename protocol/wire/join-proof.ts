import { createHmac, timingSafeEqual } from 'node:crypto'
import { sha256Hex, statement } from './statement.ts'

const ID_DOMAIN = 'runner-mesh-invite'
const MAC_DOMAIN = 'runner-mesh-join'
/** Bytes of an invite's id: it selects among a few, the proof is the code. */
export const INVITE_ID_BYTES = 8
/** Bytes of an invite's secret. */
export const INVITE_SECRET_BYTES = 16
/** Bytes of HMAC-SHA256. */
export const JOIN_MAC_BYTES = 32

/** Who speaks to whom, as the connection proved it. */
export interface JoinPeers {
  readonly inviter: string
  readonly joiner: string
}

/** What an invite is known by: it says nothing of the secret that it is made of. */
export function inviteIdOf(secret: string): string {
  return sha256Hex(statement(ID_DOMAIN, [secret])).slice(0, INVITE_ID_BYTES * 2)
}

/**
 * Proves that the joiner has the secret without telling it. Both peer ids are in it: seen by
 * another host, or sent to another one, it proves nothing.
 */
export function joinMac(secret: string, peers: JoinPeers, claim: Uint8Array): Uint8Array {
  const hmac = createHmac('sha256', Buffer.from(secret, 'hex'))
  hmac.update(statement(MAC_DOMAIN, [peers.inviter, peers.joiner]))
  return new Uint8Array(hmac.update(claim).digest())
}

/** In constant time: how far a guess was right must not be measurable. */
export function isJoinMac(
  mac: Uint8Array,
  secret: string,
  peers: JoinPeers,
  claim: Uint8Array
): boolean {
  const wanted = joinMac(secret, peers, claim)
  return mac.length === wanted.length && timingSafeEqual(mac, wanted)
}
