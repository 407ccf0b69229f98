import { describe, expect, test } from 'vitest'
import { codeOf } from '../../../protocol/core/errors.ts'
import { ADDRESSES_MAX, MEMBERS_MAX } from '../../../protocol/core/limits.ts'
import type { Member, Roster, SealedRoster } from '../../../protocol/core/roster.ts'
import {
  admit,
  checkSuccessor,
  foundRoster,
  isLost,
  memberOf,
  reseat,
  rosterProblem
} from '../../../protocol/core/roster-rules.ts'

const NOW_MS = 1_000
const LATER_MS = 2_000

function member(index: number, change: Partial<Member> = {}): Member {
  return {
    peerId: `peer${index}`,
    name: `host${index}`,
    roles: ['agent', 'witness'],
    addresses: ['/ip4/127.0.0.1/tcp/4471'],
    witness: { storeId: index.toString(16).padStart(32, '0'), zone: 'rack1' },
    notAfterMs: LATER_MS,
    ...change
  }
}

const plain = (index: number, change: Partial<Member> = {}) =>
  member(index, { roles: ['agent'], witness: undefined, ...change })

const sealed = (roster: Roster): SealedRoster => ({
  roster,
  hash: `hash${roster.version}`,
  bytes: new Uint8Array()
})

const first = foundRoster('auth', member(0), 'default')

function grown(...members: readonly Member[]): Roster {
  return members.reduce((roster, next) => admit(sealed(roster), next, NOW_MS), first)
}

const check = (current: Roster | undefined, next: Roster) =>
  checkSuccessor(current, next, 'auth', current === undefined ? '' : `hash${current.version}`)

describe('admitting', () => {
  test('founds a mesh with one witness', () => {
    expect(first).toMatchObject({ version: 1, prevHash: '', witnessEpoch: 1, w: 1 })
    expect(check(undefined, first)).toBeUndefined()
  })

  test('of an agent raises the version and nothing else', () => {
    const next = grown(plain(1))

    expect(next).toMatchObject({ version: 2, prevHash: 'hash1', witnessEpoch: 1, w: 1 })
    expect(check(first, next)).toBeUndefined()
  })

  test('of witnesses raises the witness epoch, and w where there are enough', () => {
    const rosters = [1, 2, 3, 4].map((last) => {
      return grown(...[1, 2, 3, 4].slice(0, last).map((index) => member(index)))
    })

    expect(rosters.map(({ w }) => w)).toEqual([1, 3, 3, 5])
    expect(rosters.map(({ witnessEpoch }) => witnessEpoch)).toEqual([2, 3, 4, 5])
    rosters.forEach((next, index) => {
      expect(check(rosters[index - 1] ?? first, next)).toBeUndefined()
    })
  })

  test.each([
    ['a new end date', { notAfterMs: LATER_MS + 1 }, 1],
    ['other addresses', { addresses: [] }, 1],
    ['another store', { witness: { storeId: 'f'.repeat(32), zone: 'rack1' } }, 2],
    ['another zone', { witness: { ...seatOf(member(0)), zone: 'rack2' } }, 2]
  ])('of a known member with %s takes its place', (_name, change, witnessEpoch) => {
    const next = grown(member(0, change))

    expect(next.members).toEqual([member(0, change)])
    expect(next).toMatchObject({ version: 2, witnessEpoch })
    expect(check(first, next)).toBeUndefined()
  })

  test.each([
    ['whose entry is over', plain(1, { notAfterMs: NOW_MS })],
    ['with the store of another', member(1, { witness: seatOf(member(0)) })],
    ['without a role', plain(1, { roles: [] })],
    ['that takes the last witness away', plain(0)]
  ])('of a member %s is refused', (_name, next) => {
    expect(thrown(() => admit(sealed(first), next, NOW_MS))).toBe('ROSTER_INVALID')
  })

  test('of a revoked peer is refused', () => {
    const revoked = { ...first, revoked: ['peer1'] }

    expect(thrown(() => admit(sealed(revoked), plain(1), NOW_MS))).toBe('PEER_REVOKED')
  })
})

describe('a roster by itself is refused', () => {
  const three = grown(member(1), member(2))
  const broken: readonly (readonly [string, Roster])[] = [
    ['with a fraction for a version', { ...three, version: 1.5 }],
    ['without a version', { ...three, version: 0 }],
    ['with a later version that follows none', { ...three, prevHash: '' }],
    ['with a first version that follows one', { ...first, prevHash: 'hash0' }],
    ['with a witness epoch above its version', { ...three, witnessEpoch: 4 }],
    ['with another w than its witnesses call for', { ...three, w: 1 }],
    ['with a peer twice', { ...three, members: [...three.members, plain(1)] }],
    ['with a member that is revoked', { ...three, revoked: ['peer1'] }],
    ['with a peer revoked twice', { ...three, revoked: ['x', 'x'] }],
    ['with nobody', { ...three, members: [], w: 1 }],
    ['with too many', withMembers(Array.from({ length: MEMBERS_MAX + 1 }, (_, i) => plain(i)))],
    ['with a nameless member', withMembers([member(0, { name: '' })])],
    ['with a name that moves a terminal', withMembers([member(0, { name: 'a\u001b[2Jb' })])],
    ['with a long name', withMembers([member(0, { name: 'a'.repeat(101) })])],
    ['with a role twice', withMembers([member(0, { roles: ['witness', 'witness'] })])],
    ['with a witness without a store', withMembers([member(0, { witness: undefined })])],
    ['with a store of no witness', withMembers([member(0), member(1, { roles: ['agent'] })])],
    ['with a store id of another kind', withMembers([withSeat({ storeId: 'xyz' })])],
    ['with a nameless zone', withMembers([withSeat({ zone: '' })])],
    ['with an end date that is none', withMembers([member(0, { notAfterMs: Number.NaN })])],
    ['with too many addresses', withMembers([member(0, { addresses: many(ADDRESSES_MAX + 1) })])]
  ]

  test.each(broken)('%s', (_name, roster) => {
    expect(rosterProblem(roster)).toBeDefined()
    expect(check(undefined, roster)).toBeDefined()
  })

  test('with a lease profile that nobody knows', () => {
    const unknown = JSON.parse(JSON.stringify({ ...first, lease: 'toString' })) as Roster

    expect(rosterProblem(unknown)).toBeDefined()
  })
})

describe('a successor is refused', () => {
  const current = grown(member(1), member(2))
  const next = admit(sealed(current), plain(3), NOW_MS)

  test('of another authority', () => {
    expect(check(current, { ...next, authority: 'other' })).toBeDefined()
    expect(checkSuccessor(undefined, first, 'other', '')).toBeDefined()
  })

  test('of the same or an earlier version', () => {
    expect(check(current, current)).toBeDefined()
    expect(check(next, current)).toBeDefined()
  })

  test('that follows another roster than this one', () => {
    expect(checkSuccessor(current, next, 'auth', 'hash of another')).toBeDefined()
  })

  test('that changes the witnesses under the same witness epoch', () => {
    const epoch = current.witnessEpoch
    const changed = [
      admit(sealed(current), member(3), NOW_MS),
      admit(sealed(current), withSeat({ storeId: 'f'.repeat(32) }), NOW_MS),
      admit(sealed(current), withSeat({ zone: 'rack2' }), NOW_MS)
    ]

    for (const roster of changed) {
      expect(check(current, roster)).toBeUndefined()
      expect(check(current, { ...roster, witnessEpoch: epoch })).toBeDefined()
    }
    expect(check(current, { ...next, lease: 'short' })).toBeDefined()
    expect(check(current, { ...next, lease: 'short', witnessEpoch: epoch + 1 })).toBeUndefined()
  })

  test('that raises the witness epoch for nothing, lowers it or skips one', () => {
    const { witnessEpoch } = current

    expect(check(current, { ...next, witnessEpoch: witnessEpoch + 1 })).toBeDefined()
    expect(check(current, { ...next, witnessEpoch: witnessEpoch - 1 })).toBeDefined()
    const changed = admit(sealed(current), member(3), NOW_MS)
    expect(check(current, { ...changed, witnessEpoch: witnessEpoch + 2 })).toBeDefined()
  })

  test('that lets a revoked peer return', () => {
    const revoked = { ...current, revoked: ['peer9'] }

    expect(check(revoked, { ...next, revoked: [] })).toBeDefined()
    expect(check(revoked, { ...next, revoked: ['peer9', 'peer8'] })).toBeUndefined()
  })
})

test('a member that missed some rosters takes the newest', () => {
  const second = grown(member(1))
  const fourth = admit(sealed(admit(sealed(second), member(2), NOW_MS)), plain(3), NOW_MS)

  expect(check(second, fourth)).toBeUndefined()
  expect(check(first, fourth)).toBeUndefined()
  expect(check(second, { ...fourth, witnessEpoch: second.witnessEpoch })).toBeDefined()
})

describe('what a roster says of earlier epochs', () => {
  const gateway = plain(5, { roles: ['gateway'] })

  test('is when the epoch began, which no clock that is set back undoes', () => {
    const second = grown(plain(1), member(2))
    expect(second).toMatchObject({ witnessEpoch: 2, epochSinceMs: NOW_MS })
    const same = admit(sealed(second), plain(3), NOW_MS + 5)
    expect(same.epochSinceMs).toBe(NOW_MS)
    const third = admit(sealed(same), member(4), NOW_MS - 5)
    expect(third).toMatchObject({ witnessEpoch: 3, epochSinceMs: NOW_MS })
    expect(check(same, third)).toBeUndefined()
    expect(check(same, { ...third, epochSinceMs: NOW_MS - 5 })).toBeDefined()
    expect(check(second, { ...same, epochSinceMs: NOW_MS + 5 })).toBeDefined()
  })

  test('is the first one with a gateway, and stays', () => {
    const before = grown(member(1), member(2))
    expect(before.runsFromEpoch).toBeUndefined()
    const after = admit(sealed(before), gateway, NOW_MS)
    expect(after).toMatchObject({ witnessEpoch: 3, runsFromEpoch: 3 })
    const later = admit(sealed(after), member(4), NOW_MS)
    expect(later.runsFromEpoch).toBe(3)
    expect(check(after, { ...later, runsFromEpoch: 4 })).toBeDefined()
    // A roster that does not say when its epoch began may have had one before.
    const { epochSinceMs: _, ...old } = before
    expect(admit(sealed(old), gateway, NOW_MS).runsFromEpoch).toBe(1)
  })

  test('is which were given up: earlier ones only, and for good', () => {
    const third = grown(member(1), member(2))
    const lost = reseat(sealed(third), { without: [], lost: [1] }, NOW_MS)
    expect(lost).toMatchObject({ version: third.version + 1, witnessEpoch: 3, lostEpochs: [1] })
    expect(check(third, lost)).toBeUndefined()
    expect([1, 2, 3].map((epoch) => isLost(lost, epoch))).toEqual([true, false, false])
    expect(reseat(sealed(lost), { without: [], lost: [2] }, NOW_MS).lostEpochs).toEqual([1, 2])
    expect(check(lost, { ...lost, version: lost.version + 1, lostEpochs: [2] })).toBeDefined()
    const refusal = (epoch: number, ...without: readonly string[]) => {
      return thrown(() => reseat(sealed(third), { without, lost: [epoch] }, NOW_MS))
    }
    expect([0, 1.5].map((epoch) => refusal(epoch))).toEqual(Array(2).fill('ROSTER_INVALID'))
    expect([3, 4].map((epoch) => refusal(epoch))).toEqual(Array(2).fill('EPOCH_CURRENT'))
    // Without two of its witnesses the present one is an earlier one.
    expect(refusal(3, 'host1', 'host2')).toBeUndefined()
  })

  test('goes with the seats of witnesses that are gone, which stay members', () => {
    const third = grown(member(1), member(2), plain(3))
    const next = reseat(sealed(third), { without: ['host2'], lost: [] }, NOW_MS)
    expect(next).toMatchObject({ witnessEpoch: third.witnessEpoch + 1, w: 1 })
    expect(next.lostEpochs).toBeUndefined()
    expect(next.members.find(({ name }) => name === 'host2')).toMatchObject({
      roles: ['agent'],
      witness: undefined
    })
    expect(check(third, next)).toBeUndefined()
    const unseat = (name: string) =>
      thrown(() => {
        reseat(sealed(third), { without: [name], lost: [] }, NOW_MS)
      })
    expect(unseat('host3')).toBe('WITNESS_UNKNOWN')
    expect(unseat('nobody')).toBe('WITNESS_UNKNOWN')
  })
})

test('a peer speaks as a member until its entry is over or revoked', () => {
  const roster = grown(plain(1))

  expect(memberOf(roster, 'peer1', LATER_MS - 1)?.name).toBe('host1')
  expect(memberOf(roster, 'peer1', LATER_MS)).toBeUndefined()
  expect(memberOf(roster, 'peer2', NOW_MS)).toBeUndefined()
  expect(memberOf({ ...roster, revoked: ['peer1'] }, 'peer1', NOW_MS)).toBeUndefined()
})

function seatOf({ witness }: Member): NonNullable<Member['witness']> {
  if (witness === undefined) throw new Error('no witness')
  return witness
}

function withSeat(change: Partial<NonNullable<Member['witness']>>): Member {
  return member(0, { witness: { ...seatOf(member(0)), ...change } })
}

function withMembers(members: readonly Member[]): Roster {
  return { ...first, members }
}

function many(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `/ip4/127.0.0.1/tcp/${index + 1}`)
}

function thrown(task: () => unknown): string | undefined {
  try {
    task()
    return undefined
  } catch (error) {
    return codeOf(error)
  }
}
