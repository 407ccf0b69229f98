import { codeOf, MeshError } from '../protocol/core/errors.ts'
import type { Clock } from '../protocol/core/ports.ts'
import type { LeaseProfileName, Member } from '../protocol/core/roster.ts'
import { foundRoster } from '../protocol/core/roster-rules.ts'
import { makeStateFolder } from '../protocol/host/durable-file.ts'
import type { StatePaths } from '../protocol/host/paths.ts'
import { readSecretFile, writeSecretFile } from '../protocol/host/secret-file.ts'
import { type Identity, makeIdentity, readAuthority } from '../protocol/mesh/members/identity.ts'
import { RosterBook } from '../protocol/mesh/members/roster-book.ts'
import { generateKey } from '../protocol/wire/keys.ts'
import { sealRoster } from '../protocol/wire/roster-codec.ts'

/** How long an entry of the roster is valid; admitting the member again renews it. */
export const MEMBERSHIP_MS = 366 * 86_400_000

export interface FirstMember {
  readonly name: string
  readonly addresses: readonly string[]
  readonly zone: string
  readonly lease: LeaseProfileName
}

/**
 * Makes a mesh: the authority's key, this agent's key and store, and the first roster with this
 * agent as its only member and witness. Throws STATE_EXISTS: an authority is never replaced.
 */
export async function foundMesh(
  paths: StatePaths,
  first: FirstMember,
  clock: Clock
): Promise<Identity & { readonly authority: string }> {
  await makeStateFolder(paths.state)
  await refuseSecondAuthority(paths)
  const authorityKey = generateKey()
  await writeSecretFile(paths.authorityKey, authorityKey.bytes)
  const authority = authorityKey.peerId
  const identity = await makeIdentity('agent', paths, authority)
  const member: Member = {
    peerId: identity.peerId,
    name: first.name,
    roles: ['agent', 'witness', 'operator'],
    addresses: first.addresses,
    witness: { storeId: identity.storeId, zone: first.zone },
    notAfterMs: clock.wallMs() + MEMBERSHIP_MS
  }
  const roster = foundRoster(authority, member, first.lease)
  const book = await RosterBook.open(paths.rosters, authority, clock)
  await book.offer(sealRoster(authorityKey, roster).bytes)
  return { ...identity, authority }
}

async function refuseSecondAuthority(paths: StatePaths): Promise<void> {
  const found = await readSecretFile(paths.authorityKey).catch((error: unknown) => {
    if (error instanceof MeshError && error.code === 'STATE_ABSENT') return undefined
    throw error
  })
  if (found !== undefined) {
    throw new MeshError('STATE_EXISTS', { state: paths.state, file: 'authority.key' })
  }
  const pinned = await readAuthority(paths).catch((error: unknown) => {
    if (codeOf(error) === 'STATE_ABSENT') return undefined
    throw error
  })
  // It has joined another mesh: the key of a new one would lie here and sign for nobody.
  if (pinned !== undefined) {
    throw new MeshError('STATE_EXISTS', { state: paths.state, file: 'authority' })
  }
}
