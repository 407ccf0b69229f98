import { MeshError } from './errors.ts'
import { MEMBERS_MAX } from './limits.ts'
import type { Member, Roster, SealedRoster } from './roster.ts'
import { checked, checkNotRevoked, succeeding } from './roster-rules.ts'
import { quorumOf } from './witnesses.ts'

/**
 * The roster after `current` without the members that these names or peer ids name, which never
 * come back; to be sealed by the authority on the host `self`, a peer id. Seats go with them.
 * Throws MEMBER_UNKNOWN, PEER_REVOKED, REVOKE_SELF, REVOKE_LAST_AGENT, REVOKE_LOSES_MAJORITY,
 * REVOKED_FULL, ROSTER_INVALID.
 */
export function revoke(
  current: SealedRoster,
  whom: readonly string[],
  self: string,
  nowMs: number
): Roster {
  const { roster, hash } = current
  const gone = new Set(whom.map((text) => memberCalled(roster, text)))
  const members = roster.members.filter((entry) => !gone.has(entry))
  const revoked = [...roster.revoked, ...[...gone].map(({ peerId }) => peerId)]
  checkSelf(gone, self)
  if (revoked.length > MEMBERS_MAX) {
    throw new MeshError('REVOKED_FULL', { count: revoked.length, max: MEMBERS_MAX })
  }
  checkAgents(roster, members, gone)
  checkMajority(roster, gone)
  const next = { ...roster, version: roster.version + 1, prevHash: hash, members, revoked }
  return checked(succeeding(next, current, nowMs))
}

function memberCalled(roster: Roster, text: string): Member {
  checkNotRevoked(roster, text)
  // A peer id first: whoever is called like another one's is not who is meant.
  const found =
    roster.members.find(({ peerId }) => peerId === text) ??
    roster.members.find(({ name }) => name === text)
  if (found === undefined) throw new MeshError('MEMBER_UNKNOWN', { name: text })
  return found
}

function checkSelf(gone: ReadonlySet<Member>, self: string): void {
  for (const { peerId, name } of gone) {
    if (peerId === self) throw new MeshError('REVOKE_SELF', { name })
  }
}

function checkAgents({ members }: Roster, left: readonly Member[], gone: ReadonlySet<Member>) {
  const agents = members.filter(isAgent).length
  if (left.some(isAgent) || agents === 0) return
  throw new MeshError('REVOKE_LAST_AGENT', { name: namesOf(gone), agents })
}

// Registers live on w of the witnesses, which may be any: those that go are cut off, and nobody
// reads there any more.
function checkMajority({ w, witnessEpoch }: Roster, gone: ReadonlySet<Member>): void {
  const seats = [...gone].filter(({ witness }) => witness !== undefined)
  const spare = w - quorumOf(w)
  if (seats.length <= spare) return
  throw new MeshError('REVOKE_LOSES_MAJORITY', {
    ...{ name: namesOf(seats, ' '), epoch: witnessEpoch, w, spare },
    lost: Math.min(seats.length, w),
    without: seats.map(({ name }) => `--without ${name}`).join(' ')
  })
}

function isAgent({ roles }: Member): boolean {
  return roles.includes('agent')
}

function namesOf(members: Iterable<Member>, between = ', '): string {
  return [...members].map(({ name }) => name).join(between)
}
