import { MeshError } from '../protocol/core/errors.ts'
import type { Clock, Random } from '../protocol/core/ports.ts'
import type { StatePaths } from '../protocol/host/paths.ts'
import type { InviteBook } from '../protocol/mesh/joining/invite-book.ts'
import type { Admitter, Newcomer } from '../protocol/mesh/joining/join-service.ts'
import type { RosterBook } from '../protocol/mesh/members/roster-book.ts'
import { INVITE_SECRET_BYTES, inviteIdOf } from '../protocol/wire/join-proof.ts'
import { encodeJoinString } from '../protocol/wire/join-string.ts'
import { admissionProblem, admitMember, readAuthorityKey } from './admission.ts'
import type { AdmitRequest, InviteRequest, InviteView } from './control/contract.ts'

export interface InviterParts {
  readonly peerId: string
  readonly paths: StatePaths
  readonly book: RosterBook
  readonly invites: InviteBook
  readonly clock: Clock
  readonly random: Random
  /** Where this node listens, for want of an entry that says more. */
  readonly addresses: () => readonly string[]
}

/**
 * Makes an invite and the string for it; the invite is durable before anyone sees the string.
 * Throws AUTHORITY_ABSENT, ROSTER_ABSENT, OVERLOADED, USAGE.
 */
export async function makeInvite(parts: InviterParts, request: InviteRequest): Promise<InviteView> {
  const { peerId, paths, book, invites, clock, random } = parts
  const { peerId: authority } = await readAuthorityKey(paths)
  const entry = book.current()?.roster.members.find((member) => member.peerId === peerId)
  if (entry === undefined) throw new MeshError('ROSTER_ABSENT', { state: paths.state, id: peerId })
  const addresses = entry.addresses.length > 0 ? entry.addresses : parts.addresses()
  const secret = random.id(INVITE_SECRET_BYTES)
  const { roles, witness: isWitness } = request
  const expiresMs = clock.wallMs() + request.forMs
  await invites.add({ id: inviteIdOf(secret), secret, roles, isWitness, expiresMs })
  const inviter = peerId
  return {
    schema: 'agent.invite/1',
    string: encodeJoinString({
      authority,
      inviter,
      addresses,
      secret,
      roles,
      isWitness,
      expiresMs
    }),
    roles: [...roles],
    witness: isWitness,
    expiresAt: new Date(expiresMs).toISOString(),
    inviter,
    addresses: [...addresses]
  }
}

/** Admits whom an invite lets in as `agent admit` admits. */
export function admitterOf(parts: Pick<InviterParts, 'paths' | 'book' | 'clock'>): Admitter {
  return {
    problemOf: (newcomer) => admissionProblem(parts, requestOf(newcomer)),
    admit: (newcomer) => admitMember(parts, requestOf(newcomer))
  }
}

function requestOf(newcomer: Newcomer): AdmitRequest {
  const { peerId, storeId, name, roles, addresses, isWitness } = newcomer
  return {
    id: `${peerId}/${storeId}`,
    name,
    roles: [...roles],
    addresses: [...addresses],
    witness: isWitness,
    zone: name
  }
}
