import { codeOf, MeshError } from '../protocol/core/errors.ts'
import { ADMIT_WAIT_MS_MAX } from '../protocol/core/limits.ts'
import type { Clock } from '../protocol/core/ports.ts'
import { revoke } from '../protocol/core/revocation.ts'
import type { Member, SealedRoster } from '../protocol/core/roster.ts'
import { admit, reseat } from '../protocol/core/roster-rules.ts'
import type { StatePaths } from '../protocol/host/paths.ts'
import { readSecretFile } from '../protocol/host/secret-file.ts'
import {
  LOCKED_PAUSE_MS,
  loadKey,
  openStateStore,
  readAuthority
} from '../protocol/mesh/members/identity.ts'
import { RosterBook } from '../protocol/mesh/members/roster-book.ts'
import { keyFromBytes, type MeshKey, publicKeyOf } from '../protocol/wire/keys.ts'
import { sealRoster } from '../protocol/wire/roster-codec.ts'
import type { AdmitRequest, ReseatRequest, RevokeRequest } from './control/contract.ts'
import { MEMBERSHIP_MS } from './enrolment.ts'

const STORE_ID = /^[0-9a-f]{32}$/

/**
 * Signs the next roster with the member in it, in the book's turn; the book pushes it when a daemon
 * runs. Admitting a member again renews its entry.
 * Throws AUTHORITY_ABSENT, ROSTER_ABSENT, ROSTER_INVALID, PEER_REVOKED, NAME_TAKEN, USAGE.
 */
export async function admitMember(
  parts: { readonly paths: StatePaths; readonly book: RosterBook; readonly clock: Clock },
  request: AdmitRequest
): Promise<SealedRoster> {
  const { paths, book, clock } = parts
  const member = memberFrom(request, clock.wallMs() + MEMBERSHIP_MS)
  const authorityKey = await readAuthorityKey(paths)
  return await book.succeed((current) => {
    if (current === undefined) {
      throw new MeshError('ROSTER_ABSENT', { state: paths.state, id: request.id })
    }
    checkName(current, member)
    return sealRoster(authorityKey, admit(current, member, clock.wallMs()))
  })
}

/**
 * The same where no daemon runs: the roster goes out at its start. The state is locked meanwhile as
 * a daemon locks it, since each would sign over the roster that it has read, and one version twice.
 * Throws STATE_LOCKED, and what opening the state throws.
 */
export async function admitOffline(
  parts: { readonly paths: StatePaths; readonly clock: Clock },
  request: AdmitRequest
): Promise<SealedRoster> {
  return await offline(parts, (book) => admitMember({ ...parts, book }, request))
}

/**
 * Signs the next roster without these witnesses, or with that witness epoch given up, in the book's
 * turn. Throws AUTHORITY_ABSENT, ROSTER_ABSENT, ROSTER_INVALID, WITNESS_UNKNOWN, EPOCH_CURRENT.
 */
export async function reseatMembers(
  parts: { readonly paths: StatePaths; readonly book: RosterBook; readonly clock: Clock },
  { without, lost }: ReseatRequest
): Promise<SealedRoster> {
  const { paths, book, clock } = parts
  const authorityKey = await readAuthorityKey(paths)
  return await book.succeed((current) => {
    if (current === undefined) {
      throw new MeshError('ROSTER_ABSENT', { state: paths.state, id: authorityKey.peerId })
    }
    return sealRoster(authorityKey, reseat(current, { without, lost }, clock.wallMs()))
  })
}

/** The same where no daemon runs, as `admitOffline`. */
export async function reseatOffline(
  parts: { readonly paths: StatePaths; readonly clock: Clock },
  request: ReseatRequest
): Promise<SealedRoster> {
  return await offline(parts, (book) => reseatMembers({ ...parts, book }, request))
}

export interface Revocation {
  readonly sealed: SealedRoster
  /** Who is a member no more. */
  readonly gone: readonly Member[]
}

/**
 * Signs the next roster without these members, which never come back, in the book's turn.
 * Throws AUTHORITY_ABSENT, ROSTER_ABSENT, and what `revoke` throws.
 */
export async function revokeMembers(
  parts: { readonly paths: StatePaths; readonly book: RosterBook; readonly clock: Clock },
  { whom }: RevokeRequest
): Promise<Revocation> {
  const { paths, book, clock } = parts
  const authorityKey = await readAuthorityKey(paths)
  const self = (await loadKey(paths.key)).peerId
  let before: readonly Member[] = []
  const sealed = await book.succeed((current) => {
    if (current === undefined) {
      throw new MeshError('ROSTER_ABSENT', { state: paths.state, id: authorityKey.peerId })
    }
    before = current.roster.members
    return sealRoster(authorityKey, revoke(current, whom, self, clock.wallMs()))
  })
  const left = new Set(sealed.roster.members.map(({ peerId }) => peerId))
  return { sealed, gone: before.filter(({ peerId }) => !left.has(peerId)) }
}

/** The same where no daemon runs, as `admitOffline`. */
export async function revokeOffline(
  parts: { readonly paths: StatePaths; readonly clock: Clock },
  request: RevokeRequest
): Promise<Revocation> {
  return await offline(parts, (book) => revokeMembers({ ...parts, book }, request))
}

async function offline<T>(
  { paths, clock }: { readonly paths: StatePaths; readonly clock: Clock },
  use: (book: RosterBook) => Promise<T>
): Promise<T> {
  const authority = await readAuthority(paths)
  const { peerId } = await loadKey(paths.key)
  const store = await openStateStore(paths, peerId, { create: false, openedBy: 'agent' })
  try {
    return await use(await RosterBook.open(paths.rosters, authority, clock))
  } finally {
    await store.close()
  }
}

/**
 * Tries until the state is free, for ADMIT_WAIT_MS_MAX: another admission is short, and a daemon
 * that starts will answer itself. Rejects with the last STATE_LOCKED, or with anything else at
 * once.
 */
export async function whileLocked<T>(clock: Clock, attempt: () => Promise<T>): Promise<T> {
  const endMs = clock.bootMs() + ADMIT_WAIT_MS_MAX
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (codeOf(error) !== 'STATE_LOCKED' || clock.bootMs() >= endMs) throw error
    }
    await new Promise<void>((resolve) => clock.arm(LOCKED_PAUSE_MS, resolve))
  }
}

/**
 * Why `admitMember` would refuse, without doing anything. Throws AUTHORITY_ABSENT, ROSTER_ABSENT.
 */
export async function admissionProblem(
  parts: { readonly paths: StatePaths; readonly book: RosterBook; readonly clock: Clock },
  request: AdmitRequest
): Promise<'name_taken' | 'not_admitted' | undefined> {
  const { paths, book, clock } = parts
  const member = memberFrom(request, clock.wallMs() + MEMBERSHIP_MS)
  await readAuthorityKey(paths)
  const current = book.current()
  if (current === undefined) {
    throw new MeshError('ROSTER_ABSENT', { state: paths.state, id: request.id })
  }
  try {
    checkName(current, member)
    admit(current, member, clock.wallMs())
    return undefined
  } catch (error) {
    return codeOf(error) === 'NAME_TAKEN' ? 'name_taken' : 'not_admitted'
  }
}

function checkName({ roster }: SealedRoster, member: Member): void {
  const namesake = roster.members.find(({ name }) => name === member.name)
  if (namesake === undefined || namesake.peerId === member.peerId) return
  throw new MeshError('NAME_TAKEN', { name: member.name, holder: namesake.peerId })
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
