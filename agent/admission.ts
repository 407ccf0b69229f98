import { MeshError } from '../protocol/core/errors.ts'
import type { Clock } from '../protocol/core/ports.ts'
import type { Member, SealedRoster } from '../protocol/core/roster.ts'
import { admit } from '../protocol/core/roster-rules.ts'
import type { StatePaths } from '../protocol/host/paths.ts'
import { readSecretFile } from '../protocol/host/secret-file.ts'
import type { RosterBook } from '../protocol/mesh/roster-book.ts'
import { keyFromBytes, type MeshKey, publicKeyOf } from '../protocol/wire/keys.ts'
import { sealRoster } from '../protocol/wire/roster-codec.ts'
import type { AdmitRequest } from './control/contract.ts'
import { MEMBERSHIP_MS } from './enrolment.ts'

const STORE_ID = /^[0-9a-f]{32}$/

/**
 * Signs the next roster with the member in it and hands it to the book, which pushes it when a
 * daemon runs. Admitting a member again renews its entry.
 * Throws AUTHORITY_ABSENT, ROSTER_INVALID, USAGE.
 */
export async function admitMember(
  parts: { readonly paths: StatePaths; readonly book: RosterBook; readonly clock: Clock },
  request: AdmitRequest
): Promise<SealedRoster> {
  const member = memberFrom(request, parts.clock.wallMs() + MEMBERSHIP_MS)
  const authorityKey = await readAuthorityKey(parts.paths)
  const current = parts.book.current()
  if (current === undefined) {
    throw new MeshError('ROSTER_ABSENT', { state: parts.paths.state, id: request.id })
  }
  const namesake = current.roster.members.find(({ name }) => name === member.name)
  if (namesake !== undefined && namesake.peerId !== member.peerId) {
    const problem = `name ${member.name} belongs to ${namesake.peerId}: choose another --name`
    throw new MeshError('USAGE', { problem })
  }
  const next = admit(current, member, parts.clock.wallMs())
  const sealed = sealRoster(authorityKey, next)
  await parts.book.offer(sealed.bytes)
  return sealed
}

export async function readAuthorityKey(paths: StatePaths): Promise<MeshKey> {
  const bytes = await readSecretFile(paths.authorityKey).catch((error: unknown) => {
    if (!(error instanceof MeshError) || error.code !== 'STATE_ABSENT') throw error
    throw new MeshError('AUTHORITY_ABSENT', { state: paths.state })
  })
  return keyFromBytes(bytes)
}

function memberFrom(request: AdmitRequest, notAfterMs: number): Member {
  const [peerId = '', storeId = '', ...rest] = request.id.split('/')
  if (rest.length > 0 || !STORE_ID.test(storeId) || !isPeerId(peerId)) {
    const problem = `${request.id} is no id: use the line that \`agent id\` or \`gateway id\` printed`
    throw new MeshError('USAGE', { problem })
  }
  const roles = request.witness ? ([...request.roles, 'witness'] as const) : request.roles
  return {
    peerId,
    name: request.name,
    roles: [...new Set(roles)],
    addresses: request.addresses,
    witness: request.witness ? { storeId, zone: request.zone } : undefined,
    notAfterMs
  }
}

function isPeerId(text: string): boolean {
  try {
    publicKeyOf(text)
    return true
  } catch {
    return false
  }
}
