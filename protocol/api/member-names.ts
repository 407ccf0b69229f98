import type { SealedRoster } from '../core/roster.ts'

/** The name of a member; the peer id itself where the roster has no such member any more. */
export function memberName(peerId: string, sealed: SealedRoster | undefined): string {
  const members = sealed?.roster.members ?? []
  return members.find((member) => member.peerId === peerId)?.name ?? peerId
}

/** A member's peer id by its name; text that names nobody matches nothing. */
export function peerIdOf(text: string, sealed: SealedRoster | undefined): string {
  const members = sealed?.roster.members ?? []
  return members.find(({ name }) => name === text)?.peerId ?? text
}
