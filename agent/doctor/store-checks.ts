import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { Member, SealedRoster } from '../../protocol/core/roster.ts'
import type { StatePaths } from '../../protocol/host/paths.ts'
import { readAuthority } from '../../protocol/mesh/members/identity.ts'
import { RosterBook } from '../../protocol/mesh/members/roster-book.ts'
import { suspicionOf } from '../../protocol/store/folder-check.ts'
import { inspectStore } from '../../protocol/store/inspection.ts'
import { decodeRecord, encodeRecord } from '../../protocol/wire/record-codec.ts'
import { AS_OWNER, type Finding, failed, note, ok, unreadable, warning } from './finding.ts'

const RESET = 'run `agent witness reset`: it keeps the old store aside and makes a new one'
const DAY_MS = 86_400_000
/** Days before the end of a membership that are worth a word. */
const ENDS_DAYS = 30

/** What is known of this host's store, and of its id where that could be read. */
export interface StoreFindings {
  readonly storeId: string | undefined
  readonly findings: readonly Finding[]
}

/** Beside a daemon: its files only, since the store is its own. */
export function checkStoreInUse({ store }: StatePaths): Promise<StoreFindings> {
  return readable(() => filesOf(store))
}

async function filesOf(store: string): Promise<StoreFindings> {
  const doubt = await suspicionOf(store)
  if (doubt !== undefined) return { storeId: undefined, findings: [suspect(store, doubt)] }
  return { storeId: undefined, findings: [ok('store', `${store}: no loss is noted in its files`)] }
}

/** Where no daemon runs: every record, on a copy. */
export function checkStore(paths: StatePaths, peerId: string): Promise<StoreFindings> {
  return readable(() => recordsOf(paths, peerId))
}

async function recordsOf(paths: StatePaths, peerId: string): Promise<StoreFindings> {
  const codec = { decodeRecord, encodeRecord }
  const found = await inspectStore({ dir: paths.store, peerId, codec })
  switch (found.kind) {
    case 'absent': {
      const facts = { found: `${paths.store} holds no store`, wanted: 'the store of this agent' }
      return {
        storeId: undefined,
        findings: [failed('store', 'STATE_ABSENT', { ...facts, fix: RESET })]
      }
    }
    case 'suspect':
      return { storeId: undefined, findings: [suspect(paths.store, found.cause)] }
    case 'unread': {
      const facts = { found: `not read: ${found.cause}`, wanted: 'every record checked' }
      const fix = 'start the agent: it checks all of them, and refuses a store with a loss'
      return { storeId: undefined, findings: [note('store', 'STORE_UNREAD', { ...facts, fix })] }
    }
    default: {
      const { storeId, records, bytes, lastStop } = found
      const findings = [ok('store', `${storeId}, ${records} records, ${bytes} bytes, all whole`)]
      if (lastStop !== 'unclean') return { storeId, findings }
      const facts = { found: 'the last stop left no mark', wanted: 'a clean stop' }
      const fix = 'nothing is lost by it: start the agent; look why it was killed'
      return { storeId, findings: [...findings, note('store', 'STORE_UNCLEAN', { ...facts, fix })] }
    }
  }
}

/** The other findings are wanted all the same: another user may ask for them. */
async function readable(check: () => Promise<StoreFindings>): Promise<StoreFindings> {
  try {
    return await check()
  } catch (error) {
    if (!(error instanceof MeshError) || error.code !== 'STATE_UNREADABLE') throw error
    return { storeId: undefined, findings: [unreadable('store', error)] }
  }
}

/** A store that was set back says so in the same mark as one with a loss. */
function suspect(dir: string, cause: string): Finding {
  const isOld = /saw sequence/.test(cause)
  const found = isOld ? `it went back: ${cause}` : cause
  const wanted = 'all that was ever promised'
  const code = isOld ? 'STORE_ROLLED_BACK' : 'STORE_SUSPECT'
  return failed('store', code, { found: `${dir}: ${found}`, wanted, fix: RESET })
}

/** The newest roster on this disk, and what it says of this host. */
export async function checkRoster(
  paths: StatePaths,
  self: { readonly peerId: string; readonly storeId: string | undefined },
  clock: Clock
): Promise<readonly Finding[]> {
  try {
    const sealed = await readRoster(paths, clock)
    const member = sealed?.roster.members.find(({ peerId }) => peerId === self.peerId)
    if (sealed === undefined || member === undefined) {
      const found = sealed === undefined ? 'no roster' : 'a roster without this host'
      const fix = 'run `agent invite` on a host of the mesh and `agent join` here'
      return [failed('roster', 'ROSTER_ABSENT', { found, wanted: 'one with this host in it', fix })]
    }
    const { version, witnessEpoch } = sealed.roster
    const line = ok('roster', `version ${version}, witness epoch ${witnessEpoch}`)
    return [line, ...membership(member, clock.wallMs()), ...seat(member, self.storeId)]
  } catch (error) {
    if (!(error instanceof MeshError)) throw error
    if (error.code === 'STATE_UNREADABLE') return [unreadable('roster', error)]
    const fix =
      error.code === 'STATE_UNWRITABLE'
        ? AS_OWNER
        : 'move the file away: a member brings the roster again'
    return [failed('roster', error.code, { found: causeOf(error), wanted: 'a signed roster', fix })]
  }
}

/** On a copy: a book tidies its folder when it is opened. */
async function readRoster(paths: StatePaths, clock: Clock): Promise<SealedRoster | undefined> {
  const authority = await readAuthority(paths)
  const scratch = await mkdtemp(join(tmpdir(), 'runner-mesh-doctor-'))
  try {
    const copy = join(scratch, 'rosters')
    await cp(paths.rosters, copy, { recursive: true }).catch((cause: unknown) => {
      const facts = { path: paths.rosters, cause: causeOf(cause) }
      throw new MeshError('STATE_UNREADABLE', facts, { cause })
    })
    return (await RosterBook.open(copy, authority, clock)).current()
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

function membership({ notAfterMs }: Member, wallMs: number): readonly Finding[] {
  const days = Math.floor((notAfterMs - wallMs) / DAY_MS)
  if (days >= ENDS_DAYS) return []
  const found = days < 0 ? 'the membership has ended' : `the membership ends in ${days} days`
  const wanted = `${ENDS_DAYS} days or more`
  const fix = 'run `agent admit` for it again where the authority’s key is'
  const make = days < 0 ? failed : warning
  return [make('roster', 'MEMBERSHIP_ENDS', { found, wanted, fix })]
}

/** A witness is its database: with another store it is not the witness that the roster names. */
function seat({ witness }: Member, storeId: string | undefined): readonly Finding[] {
  if (witness === undefined || storeId === undefined || witness.storeId === storeId) return []
  const facts = { found: `store ${storeId}`, wanted: `store ${witness.storeId} of the roster` }
  const fix = 'run `agent witness reset`: it has the new one signed, or prints the command for that'
  return [failed('roster', 'STORE_NOT_IN_ROSTER', { ...facts, fix })]
}
