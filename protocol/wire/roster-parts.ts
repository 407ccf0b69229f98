import {
  ADDRESS_CHARACTERS_MAX,
  ADDRESSES_MAX,
  MEMBERS_MAX,
  NAME_CHARACTERS_MAX
} from '../core/limits.ts'
import type { LeaseProfileName, Member, Role, Roster, WitnessSeat } from '../core/roster.ts'
import { LOST_EPOCHS_MAX } from '../core/roster-limits.ts'
import { type Limits, loose } from './codec.ts'
import {
  bytesOf,
  bytesOrNone,
  count,
  HASH_BYTES,
  hexOf,
  hexOrNone,
  ID_BYTES,
  line,
  lineOrNone,
  list,
  optional,
  peerId,
  refuse
} from './fields.ts'
import * as wire from './generated/roster.ts'
import { names } from './names.ts'

const ROLES_MAX = 4

export const ROSTER_LIMITS = {
  members: MEMBERS_MAX,
  members$: { roles: ROLES_MAX, addresses: ADDRESSES_MAX },
  revoked: MEMBERS_MAX,
  lostEpochs: LOST_EPOCHS_MAX
} satisfies Limits<wire.Roster>

const roles = names<Role, wire.Role>('role', {
  agent: wire.Role.ROLE_AGENT,
  gateway: wire.Role.ROLE_GATEWAY,
  witness: wire.Role.ROLE_WITNESS,
  operator: wire.Role.ROLE_OPERATOR
})

const profiles = names<LeaseProfileName, wire.LeaseProfile>('lease', {
  default: wire.LeaseProfile.LEASE_PROFILE_DEFAULT,
  short: wire.LeaseProfile.LEASE_PROFILE_SHORT
})

export function rosterToWire(roster: Roster): wire.Roster {
  checkMembers(roster.members)
  return loose<wire.Roster>({
    version: count(roster.version, 'version', Number.MAX_SAFE_INTEGER, 1),
    prevHash: bytesOrNone(roster.prevHash, HASH_BYTES, 'prevHash'),
    witnessEpoch: count(roster.witnessEpoch, 'witnessEpoch'),
    w: witnessCount(roster.w),
    lease: profiles.toWire(roster.lease),
    authority: peerId(roster.authority, 'authority'),
    members: list(roster.members, MEMBERS_MAX, 'members', memberToWire),
    revoked: list(roster.revoked, MEMBERS_MAX, 'revoked', (id) => peerId(id, 'revoked')),
    epochSinceMs: optional(roster.epochSinceMs, sinceMs),
    runsFromEpoch: optional(roster.runsFromEpoch, pastEpoch),
    lostEpochs: list(roster.lostEpochs ?? [], LOST_EPOCHS_MAX, 'lostEpochs', pastEpoch)
  })
}

export function rosterFromWire(message: wire.Roster): Roster {
  const members = list(message.members, MEMBERS_MAX, 'members', memberFromWire)
  checkMembers(members)
  return {
    version: count(message.version, 'version', Number.MAX_SAFE_INTEGER, 1),
    prevHash: hexOrNone(message.prevHash, HASH_BYTES, 'prevHash'),
    witnessEpoch: count(message.witnessEpoch, 'witnessEpoch'),
    w: witnessCount(message.w),
    lease: profiles.fromWire(message.lease),
    authority: peerId(message.authority, 'authority'),
    members,
    revoked: list(message.revoked, MEMBERS_MAX, 'revoked', (id) => peerId(id, 'revoked')),
    ...pastFromWire(message)
  }
}

/** Absent is not the same as zero: a roster from before these were kept says nothing of them. */
function pastFromWire({
  epochSinceMs,
  runsFromEpoch,
  lostEpochs
}: wire.Roster): Pick<Roster, 'epochSinceMs' | 'runsFromEpoch' | 'lostEpochs'> {
  const lost = list(lostEpochs, LOST_EPOCHS_MAX, 'lostEpochs', pastEpoch)
  return {
    ...(epochSinceMs === undefined ? {} : { epochSinceMs: sinceMs(epochSinceMs) }),
    ...(runsFromEpoch === undefined ? {} : { runsFromEpoch: pastEpoch(runsFromEpoch) }),
    ...(lost.length === 0 ? {} : { lostEpochs: lost })
  }
}

function sinceMs(value: number): number {
  return count(value, 'epochSinceMs')
}

function pastEpoch(value: number): number {
  return count(value, 'a witness epoch')
}

// Two entries of one peer would let two readers of one roster see two sets of witnesses.
function checkMembers(members: readonly Member[]): void {
  if (new Set(members.map((member) => member.peerId)).size !== members.length) {
    refuse('members', 'name a peer twice')
  }
}

function memberToWire(member: Member): wire.Member {
  return loose<wire.Member>({
    peerId: peerId(member.peerId, 'peerId'),
    name: line(member.name, NAME_CHARACTERS_MAX, 'member name'),
    roles: list(member.roles, ROLES_MAX, 'roles', (role) => roles.toWire(role)),
    addresses: list(member.addresses, ADDRESSES_MAX, 'addresses', address),
    witness: optional(member.witness, seatToWire),
    notAfterMs: count(member.notAfterMs, 'notAfterMs')
  })
}

function memberFromWire(message: wire.Member): Member {
  return {
    peerId: peerId(message.peerId, 'peerId'),
    name: line(message.name, NAME_CHARACTERS_MAX, 'member name'),
    roles: list(message.roles, ROLES_MAX, 'roles', (role) => roles.fromWire(role)),
    addresses: list(message.addresses, ADDRESSES_MAX, 'addresses', address),
    witness: optional(message.witness, seatFromWire),
    notAfterMs: count(message.notAfterMs, 'notAfterMs')
  }
}

function seatToWire(seat: WitnessSeat): wire.WitnessSeat {
  const zone = lineOrNone(seat.zone, NAME_CHARACTERS_MAX, 'zone')
  return { storeId: bytesOf(seat.storeId, ID_BYTES, 'storeId'), zone }
}

function seatFromWire(message: wire.WitnessSeat): WitnessSeat {
  const zone = lineOrNone(message.zone, NAME_CHARACTERS_MAX, 'zone')
  return { storeId: hexOf(message.storeId, ID_BYTES, 'storeId'), zone }
}

function address(value: string): string {
  return line(value, ADDRESS_CHARACTERS_MAX, 'address')
}

function witnessCount(value: number): Roster['w'] {
  return value === 1 || value === 3 || value === 5 ? value : refuse('w', `is ${value}`)
}
