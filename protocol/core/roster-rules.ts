import { MeshError } from './errors.ts'
import { LEASE_PROFILES } from './lease-profile.ts'
import { ADDRESSES_MAX, MEMBERS_MAX, NAME_CHARACTERS_MAX } from './limits.ts'
import type { Member, Role, Roster, SealedRoster } from './roster.ts'
import { LOST_EPOCHS_MAX } from './roster-limits.ts'
import { witnessCount, witnessRefs } from './witnesses.ts'

/**
 * Why `next` must not replace `current`; undefined when it may. Its signature by `authority` is
 * checked in wire before. `hashOfCurrent` is '' where there is no current roster.
 */
export function checkSuccessor(
  current: Roster | undefined,
  next: Roster,
  authority: string,
  hashOfCurrent: string
): string | undefined {
  // The authority was pinned by hand: a roster cannot hand it to somebody else.
  if (next.authority !== authority) return 'it is of another authority'
  const problem = rosterProblem(next)
  if (problem !== undefined || current === undefined) return problem
  const step = next.version - current.version
  if (step < 1) return `version ${next.version} is not above ${current.version}`
  if (step === 1 && next.prevHash !== hashOfCurrent) return 'it does not follow the current roster'
  const returned = current.revoked.find((peer) => !next.revoked.includes(peer))
  if (returned !== undefined) return `${returned} was revoked and cannot return`
  return epochProblem(current, next) ?? pastProblem(current, next)
}

/** What is wrong with a roster by itself. */
export function rosterProblem(roster: Roster): string | undefined {
  const { version, prevHash, witnessEpoch, members, revoked } = roster
  if (!isCount(version) || version < 1) return 'version is not a positive number'
  if ((version === 1) !== (prevHash === '')) return 'prevHash does not fit the version'
  if (!isCount(witnessEpoch) || witnessEpoch < 1 || witnessEpoch > version) return 'witnessEpoch'
  if (!Object.hasOwn(LEASE_PROFILES, roster.lease)) return 'it names an unknown lease profile'
  if (members.length > MEMBERS_MAX) return `it has over ${MEMBERS_MAX} members`
  if (revoked.length > MEMBERS_MAX) return `it revokes over ${MEMBERS_MAX} peers`
  if (!pastFits(roster)) return 'what it says of earlier witness epochs'
  const peers = [...members.map(({ peerId }) => peerId), ...revoked]
  const twice = repeated(peers) ?? repeated(witnessRefs(roster).map(({ storeId }) => storeId))
  if (twice !== undefined) return `${twice} is in it twice`
  const bad = members.map(memberProblem).find((problem) => problem !== undefined)
  if (bad !== undefined) return bad
  const witnesses = witnessRefs(roster).length
  if (witnesses === 0) return 'it has no witness'
  const w = witnessCount(witnesses)
  return roster.w === w ? undefined : `w is ${roster.w}, with ${witnesses} witnesses it is ${w}`
}

/** The first roster of a mesh: one member, a witness, under a new authority. */
export function foundRoster(authority: string, member: Member, lease: Roster['lease']): Roster {
  const head = { version: 1, prevHash: '', witnessEpoch: 1, w: 1, revoked: [] } as const
  return checked({ ...head, lease, authority, members: [member] })
}

/**
 * The roster after `current` with `member` added, or put in the place of its earlier entry; to be
 * sealed by the authority. Throws PEER_REVOKED, and ROSTER_INVALID where no such roster is allowed.
 */
export function admit(current: SealedRoster, member: Member, nowMs: number): Roster {
  const { roster, hash } = current
  checkNotRevoked(roster, member.peerId)
  if (member.notAfterMs <= nowMs) {
    throw new MeshError('ROSTER_INVALID', {
      problem: `the entry of ${member.name} is over already`
    })
  }
  const known = roster.members.some(({ peerId }) => peerId === member.peerId)
  const members = known
    ? roster.members.map((entry) => (entry.peerId === member.peerId ? member : entry))
    : [...roster.members, member]
  const next = { ...roster, version: roster.version + 1, prevHash: hash, members }
  return checked(succeeding(next, current, nowMs))
}

/** Throws PEER_REVOKED. */
export function checkNotRevoked({ revoked, version }: Roster, peerId: string): void {
  if (revoked.includes(peerId)) throw new MeshError('PEER_REVOKED', { peer: peerId, version })
}

/** The same with all that follows from its members: w, the witness epoch and its begin. */
export function succeeding(next: Roster, { roster }: SealedRoster, nowMs: number): Roster {
  const w = witnessCount(witnessRefs(next).length)
  const changed = witnessSetOf(next) !== witnessSetOf(roster)
  const head = { ...next, w, witnessEpoch: roster.witnessEpoch + (changed ? 1 : 0) }
  return { ...head, ...runsFrom(roster, head), ...(changed ? since(roster, nowMs) : {}) }
}

export interface Reseating {
  /** Names of witnesses that are gone for good: they lose their seats and stay members. */
  readonly without: readonly string[]
  /** Witness epochs whose registers are given up. */
  readonly lost: readonly number[]
}

/**
 * The roster after `current` without these witnesses, which gives up the registers of earlier
 * witness epochs; to be sealed by the authority. Throws WITNESS_UNKNOWN, EPOCH_CURRENT,
 * ROSTER_INVALID.
 */
export function reseat(current: SealedRoster, { without, lost }: Reseating, nowMs: number): Roster {
  const { roster, hash } = current
  const unknown = without.find((name) => seatOf(roster, name) === undefined)
  if (unknown !== undefined) throw new MeshError('WITNESS_UNKNOWN', { name: unknown })
  const members = roster.members.map((entry): Member => {
    if (!without.includes(entry.name)) return entry
    const roles = entry.roles.filter((role) => role !== 'witness')
    // A member without any role is none: what it may still be is an onlooker.
    return { ...entry, roles: roles.length > 0 ? roles : ['operator'], witness: undefined }
  })
  const next = succeeding(
    { ...roster, version: roster.version + 1, prevHash: hash, members },
    current,
    nowMs
  )
  const present = lost.find((epoch) => epoch >= next.witnessEpoch)
  if (present !== undefined) {
    throw new MeshError('EPOCH_CURRENT', { epoch: present, current: next.witnessEpoch })
  }
  const all = [...new Set([...(roster.lostEpochs ?? []), ...lost])].sort((a, b) => a - b)
  return checked(all.length === 0 ? next : { ...next, lostEpochs: all })
}

function seatOf({ members }: Roster, name: string): Member | undefined {
  return members.find((member) => member.name === name && member.witness !== undefined)
}

/** True for a witness epoch whose registers nobody is to ask any more. */
export function isLost(roster: Roster | undefined, witnessEpoch: number): boolean {
  return roster?.lostEpochs?.includes(witnessEpoch) === true
}

// Never back, whatever the clock says: an epoch that seemed to end early would not be sealed.
function since({ epochSinceMs = 0 }: Roster, nowMs: number): Pick<Roster, 'epochSinceMs'> {
  return { epochSinceMs: Math.max(epochSinceMs, nowMs) }
}

function runsFrom(current: Roster, next: Roster): Pick<Roster, 'runsFromEpoch'> {
  if (current.runsFromEpoch !== undefined || !hasGateway(next)) return {}
  // From before it was kept: there may have been a gateway all along.
  const isUnsure = current.version > 1 && current.epochSinceMs === undefined
  return { runsFromEpoch: isUnsure || hasGateway(current) ? 1 : next.witnessEpoch }
}

function hasGateway({ members }: Roster): boolean {
  return members.some(({ roles }) => roles.includes('gateway'))
}

/** The entry of a peer that may speak now: in the roster, not revoked, not over. */
export function memberOf(roster: Roster, peerId: string, wallMs: number): Member | undefined {
  if (roster.revoked.includes(peerId)) return
  return roster.members.find((entry) => entry.peerId === peerId && entry.notAfterMs > wallMs)
}

// Registers are bound to a witness epoch: with a changed set under the same number two members
// would derive different witnesses for one job; a number that rises for nothing would strand open
// jobs.
function epochProblem(current: Roster, next: Roster): string | undefined {
  const rise = next.witnessEpoch - current.witnessEpoch
  const step = next.version - current.version
  if (rise < 0 || rise > step) return 'witnessEpoch goes back or rises faster than the version'
  const changed = witnessSetOf(next) !== witnessSetOf(current)
  if (changed && rise === 0) return 'the witnesses change, but not witnessEpoch'
  if (!changed && step === 1 && rise > 0) return 'witnessEpoch rises, but no witness changes'
  return
}

// What gateways rely on to know which epochs to seal may be added to, but never taken back.
function pastProblem(current: Roster, next: Roster): string | undefined {
  const sinceMs = next.epochSinceMs ?? 0
  const isSame = next.witnessEpoch === current.witnessEpoch
  if (isSame && next.epochSinceMs !== current.epochSinceMs) return 'its epoch began another time'
  if (sinceMs < (current.epochSinceMs ?? 0)) return 'its epoch began before the one before it'
  const { runsFromEpoch } = current
  if (runsFromEpoch !== undefined && next.runsFromEpoch !== runsFromEpoch) return 'runsFromEpoch'
  const found = current.lostEpochs?.find((epoch) => !isLost(next, epoch))
  return found === undefined ? undefined : `witness epoch ${found} was given up and stays so`
}

function pastFits({ epochSinceMs, runsFromEpoch, lostEpochs, witnessEpoch }: Roster): boolean {
  if (epochSinceMs !== undefined && !isCount(epochSinceMs)) return false
  if (runsFromEpoch !== undefined && !isEpochUpTo(runsFromEpoch, witnessEpoch)) return false
  if (lostEpochs === undefined) return true
  const ascends = lostEpochs.every((epoch, index) => epoch > (lostEpochs[index - 1] ?? 0))
  // The current one is everybody's present: nothing could be recorded any more.
  const isPast = lostEpochs.every((epoch) => isEpochUpTo(epoch, witnessEpoch - 1))
  return ascends && isPast && lostEpochs.length <= LOST_EPOCHS_MAX
}

function isEpochUpTo(epoch: number, last: number): boolean {
  return isCount(epoch) && epoch >= 1 && epoch <= last
}

/** All that a witness epoch stands for: who witnesses, with which store, where, and the leases. */
function witnessSetOf(roster: Roster): string {
  const refs = witnessRefs(roster).map(({ peerId, storeId, zone }) => [peerId, storeId, zone])
  const sorted = refs.sort(([a = ''], [b = '']) => (a < b ? -1 : 1))
  return JSON.stringify([roster.lease, witnessCount(refs.length), sorted])
}

const ROLES: readonly Role[] = ['agent', 'gateway', 'witness', 'operator']
const STORE_ID = /^[0-9a-f]{32}$/
const CONTROL_CHARACTERS = /\p{Cc}/u

function memberProblem(member: Member): string | undefined {
  const { peerId, name, roles, addresses, witness } = member
  const checks: readonly (readonly [string, boolean])[] = [
    ['has no peer id', peerId !== ''],
    ['has no usable name', isName(name)],
    ['has no role', roles.length > 0],
    ['has an unknown role', roles.every((role) => ROLES.includes(role))],
    ['has a role twice', repeated(roles) === undefined],
    [`has over ${ADDRESSES_MAX} addresses`, addresses.length <= ADDRESSES_MAX],
    ['is a witness without a store, or has one without being one', hasSeatIfWitness(member)],
    ['has no usable store id', witness === undefined || STORE_ID.test(witness.storeId)],
    ['has no usable zone', witness === undefined || isName(witness.zone)],
    ['has no end date', isCount(member.notAfterMs)]
  ]
  const failed = checks.find(([, holds]) => !holds)
  return failed === undefined
    ? undefined
    : `member ${name.slice(0, NAME_CHARACTERS_MAX)} ${failed[0]}`
}

function hasSeatIfWitness({ roles, witness }: Member): boolean {
  return roles.includes('witness') === (witness !== undefined)
}

// Control characters in a name would reach the terminals of everybody who lists the members.
function isName(text: string): boolean {
  return text !== '' && text.length <= NAME_CHARACTERS_MAX && !CONTROL_CHARACTERS.test(text)
}

/** Throws ROSTER_INVALID. */
export function checked(roster: Roster): Roster {
  const problem = rosterProblem(roster)
  if (problem !== undefined) throw new MeshError('ROSTER_INVALID', { problem })
  return roster
}

function repeated(texts: readonly string[]): string | undefined {
  return texts.find((text, index) => texts.indexOf(text) !== index)
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}
