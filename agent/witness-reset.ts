import { readdir, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { codeOf, MeshError } from '../protocol/core/errors.ts'
import type { Clock } from '../protocol/core/ports.ts'
import type { Member } from '../protocol/core/roster.ts'
import { syncFolder } from '../protocol/host/durable-file.ts'
import { withFileLock } from '../protocol/host/file-lock.ts'
import type { StatePaths } from '../protocol/host/paths.ts'
import { loadKey, openStateStore, readAuthority } from '../protocol/mesh/members/identity.ts'
import { RosterBook } from '../protocol/mesh/members/roster-book.ts'
import { admitOffline } from './admission.ts'
import type { AdmitRequest } from './control/contract.ts'

/** How a store that was kept aside is called, with a time behind it. */
export const ASIDE = 'store.aside-'

export interface ResetParts {
  readonly paths: StatePaths
  readonly clock: Clock
}

export interface ResetResult {
  readonly peerId: string
  readonly storeId: string
  /** Name of the folder that the old store is kept in; undefined where one was lost before. */
  readonly aside: string | undefined
  /** What has to be signed so that this store is the witness of this host; undefined for none. */
  readonly admission: AdmitRequest | undefined
  /** Version of the roster that was signed here; undefined where the key is elsewhere. */
  readonly rosterVersion: number | undefined
}

/**
 * Gives this host a new store under a new id, keeps the old one aside, and signs the new entry
 * where the authority's key is here. Where it was killed half-way the next call goes on: a store
 * that no roster names yet is the new one. `sure` is needed for a store with nothing wrong.
 * Throws RESET_UNNEEDED, STATE_LOCKED, FILE_LOCKED, STATE_ABSENT, and what opening and signing
 * throw.
 */
export async function resetWitness(
  parts: ResetParts,
  options: { readonly sure: boolean }
): Promise<ResetResult> {
  // A lost store cannot be locked by itself: the second of two would keep the first's aside.
  return await withFileLock(parts.paths.store, () => reset(parts, options))
}

async function reset(
  parts: ResetParts,
  { sure }: { readonly sure: boolean }
): Promise<ResetResult> {
  const { paths, clock } = parts
  const { peerId } = await loadKey(paths.key)
  const book = await RosterBook.open(paths.rosters, await readAuthority(paths), clock)
  const member = book.current()?.roster.members.find((one) => one.peerId === peerId)
  const before = await storeBefore(paths, peerId, formerStores(book, peerId))
  const named = member?.witness?.storeId
  const isMade = before.kind === 'sound' && named !== undefined && before.storeId !== named
  if (before.kind === 'sound' && !isMade && !sure) {
    throw new MeshError('RESET_UNNEEDED', { dir: paths.store, store: before.storeId })
  }
  const keeps = before.kind !== 'absent' && !isMade
  const away = (): Promise<string> => setAside(paths, clock.wallMs())
  const isSound = before.kind === 'sound'
  const aside = keeps ? await (isSound ? whileOpen(paths, peerId, away) : away()) : undefined
  const storeId = isMade ? before.storeId : await makeStore(paths, peerId)
  const admission = member === undefined ? undefined : admissionOf(member, storeId)
  const rosterVersion = admission === undefined ? undefined : await sign(parts, admission)
  return { peerId, storeId, aside, admission, rosterVersion }
}

type Before =
  | { readonly kind: 'sound'; readonly storeId: string }
  | { readonly kind: 'suspect' }
  | { readonly kind: 'absent' }

/** Ids of stores that this host had, and that a later roster has replaced. */
function formerStores(book: RosterBook, peerId: string): ReadonlySet<string> {
  const former = new Set<string>()
  const current = book.current()?.roster
  for (let epoch = 1; epoch < (current?.witnessEpoch ?? 0); epoch += 1) {
    const member = book.at(epoch)?.members.find((one) => one.peerId === peerId)
    if (member?.witness !== undefined) former.add(member.witness.storeId)
  }
  const member = current?.members.find((one) => one.peerId === peerId)
  former.delete(member?.witness?.storeId ?? '')
  return former
}

/** Also shows that no other process has it. Throws STATE_LOCKED, and all but doubts and absence. */
async function storeBefore(
  paths: StatePaths,
  peerId: string,
  former: ReadonlySet<string>
): Promise<Before> {
  try {
    const store = await openStateStore(paths, peerId, { create: false, openedBy: 'agent' })
    await store.close()
    // Whole, but an old copy: signed in again it would speak for what it has forgotten.
    if (former.has(store.storeId)) return { kind: 'suspect' }
    return { kind: 'sound', storeId: store.storeId }
  } catch (error) {
    if (codeOf(error) === 'STORE_SUSPECT') return { kind: 'suspect' }
    if (codeOf(error) === 'STATE_ABSENT') return { kind: 'absent' }
    throw error
  }
}

/** Never removed: it may hold what somebody wants to look into. */
async function setAside({ store }: StatePaths, wallMs: number): Promise<string> {
  const folder = dirname(store)
  const taken = new Set(await readdir(folder))
  const date = new Date(wallMs).toISOString().replace(/[:.]/g, '-')
  let name = `${ASIDE}${date}`
  for (let count = 2; taken.has(name); count += 1) name = `${ASIDE}${date}-${count}`
  await rename(store, join(folder, name))
  await syncFolder(folder)
  return name
}

/** An agent that starts now must not open what is about to be moved away under it. */
async function whileOpen<T>(paths: StatePaths, peerId: string, use: () => Promise<T>): Promise<T> {
  const store = await openStateStore(paths, peerId, { create: false, openedBy: 'agent' })
  try {
    return await use()
  } finally {
    await store.close()
  }
}

async function makeStore(paths: StatePaths, peerId: string): Promise<string> {
  const store = await openStateStore(paths, peerId, { create: true, openedBy: 'agent' })
  await store.close()
  return store.storeId
}

/** Undefined for a member that is no witness: no roster names its store. */
function admissionOf(member: Member, storeId: string): AdmitRequest | undefined {
  const { peerId, name, roles, addresses, witness } = member
  if (witness === undefined) return undefined
  return {
    id: `${peerId}/${storeId}`,
    name,
    roles: roles.filter((role) => role !== 'witness'),
    addresses: [...addresses],
    witness: true,
    zone: witness.zone
  }
}

async function sign(parts: ResetParts, request: AdmitRequest): Promise<number | undefined> {
  try {
    return (await admitOffline(parts, request)).roster.version
  } catch (error) {
    if (codeOf(error) === 'AUTHORITY_ABSENT') return undefined
    throw error
  }
}
