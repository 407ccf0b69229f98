import { describe, expect, test } from 'vitest'
import type { Member, Roster, SealedRoster } from '../../../../protocol/core/roster.ts'
import { Admission } from '../../../../protocol/mesh/members/admission.ts'
import type { RosterView } from '../../../../protocol/mesh/members/roster-book.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

const clock = new FakeClock()
const DAY_MS = 86_400_000

function entry(peerId: string, endsInMs = DAY_MS): Member {
  const notAfterMs = clock.wallMs() + endsInMs
  const addresses = ['/ip4/127.0.0.1/tcp/4471']
  return { peerId, name: peerId, roles: ['agent'], addresses, witness: undefined, notAfterMs }
}

function rosterOf(members: readonly Member[], revoked: readonly string[] = []): SealedRoster {
  const roster: Roster = {
    version: 1,
    prevHash: '',
    witnessEpoch: 1,
    w: 1,
    lease: 'default',
    authority: 'authority',
    members,
    revoked
  }
  return { roster, hash: '', bytes: new Uint8Array(0) }
}

class Rosters implements RosterView {
  sealed: SealedRoster | undefined

  constructor(sealed: SealedRoster | undefined) {
    this.sealed = sealed
  }

  current(): SealedRoster | undefined {
    return this.sealed
  }

  at(): Roster | undefined {
    return this.sealed?.roster
  }

  onChange(): () => void {
    return () => undefined
  }
}

function admissionOf(sealed: SealedRoster | undefined): Admission {
  return new Admission(new Rosters(sealed), clock, 'self')
}

describe('without a roster', () => {
  test('anyone may connect, for the roster protocol only, and nobody is dialled', () => {
    const admission = admissionOf(undefined)

    expect(admission.of('anyone')).toBe('roster_only')
    expect(admission.isMember('anyone')).toBe(false)
    expect(admission.others()).toEqual([])
    expect(admission.reachable()).toEqual([])
  })
})

describe('with a roster', () => {
  test('its members are members and nobody else is anything', () => {
    const admission = admissionOf(rosterOf([entry('self'), entry('a')]))

    expect(admission.of('a')).toBe('member')
    expect(admission.of('outsider')).toBe('none')
    expect(admission.others().map(({ peerId }) => peerId)).toEqual(['a'])
  })

  test('a revoked peer is out even while its entry stands', () => {
    const admission = admissionOf(rosterOf([entry('self'), entry('a'), entry('b')], ['a']))

    expect(admission.of('a')).toBe('none')
    expect(admission.of('b')).toBe('member')
  })

  test('an entry ends at its date', () => {
    const admission = admissionOf(rosterOf([entry('self'), entry('a', 1_000), entry('b')]))
    expect(admission.of('a')).toBe('member')

    clock.jumpWall(1_000)

    expect(admission.of('a')).toBe('none')
    expect(admission.reachable().map(({ peerId }) => peerId)).toEqual(['b'])
  })

  test('a newer roster counts from the next question on', () => {
    const rosters = new Rosters(rosterOf([entry('self'), entry('a')]))
    const admission = new Admission(rosters, clock, 'self')
    expect(admission.of('a')).toBe('member')

    rosters.sealed = rosterOf([entry('self'), entry('b')])

    expect(admission.of('a')).toBe('none')
    expect(admission.of('b')).toBe('member')
  })
})

describe('while an invite is open', () => {
  let isOpen = true
  const door = { isOpen: () => isOpen }
  const sealed = rosterOf([entry('self'), entry('a'), entry('over', -1)], ['b'])
  const admission = new Admission(new Rosters(sealed), clock, 'self', { door })

  test('a stranger is a guest, and so is one whose entry ran out; a revoked one is not', () => {
    isOpen = true

    expect(admission.of('outsider')).toBe('guest')
    expect(admission.of('over')).toBe('guest')
    expect(admission.of('a')).toBe('member')
    expect(admission.of('b')).toBe('none')
    expect(admission.isMember('outsider')).toBe(false)
    expect(admission.reachable().map(({ peerId }) => peerId)).toEqual(['a'])
  })

  test('who came in stays a guest when the door closes; nobody else comes in then', () => {
    isOpen = true
    admission.guests.enter('early')
    admission.guests.enter('early')
    isOpen = false

    expect(admission.of('early')).toBe('guest')
    expect(admission.ofNewcomer('early')).toBe('none')
    expect(admission.of('late')).toBe('none')
    admission.guests.leave('early')
    expect(admission.of('early')).toBe('guest')
    admission.guests.leave('early')
    expect(admission.of('early')).toBe('none')
  })

  test('a host without a roster lets in whoever may bring one, and no guest', () => {
    const fresh = new Admission(new Rosters(undefined), clock, 'self', { door })

    expect(fresh.of('anyone')).toBe('roster_only')
  })
})

test('a host that joins knows nobody but its inviter', () => {
  const inviter = { peerId: 'host', addresses: [], onProven: () => undefined }
  const admission = new Admission(new Rosters(undefined), clock, 'self', { inviter })

  expect(admission.of('host')).toBe('inviter')
  expect(admission.of('anyone')).toBe('none')
  expect(admission.reachable()).toEqual([])
})

describe('a roster that has run out while this host was away', () => {
  test('still lets its members bring the renewed one, and nothing else', () => {
    const lapsed = [entry('self', -1), entry('a', -1), entry('b', -1)]
    const admission = admissionOf(rosterOf(lapsed, ['b']))

    expect(admission.of('a')).toBe('roster_only')
    expect(admission.of('b')).toBe('none')
    expect(admission.of('outsider')).toBe('none')
    expect(admission.reachable().map(({ peerId }) => peerId)).toEqual(['a'])
    expect(admission.others()).toEqual([])
  })

  test('counts as such when all the others have run out', () => {
    const admission = admissionOf(rosterOf([entry('self'), entry('a', -1)]))

    expect(admission.of('a')).toBe('roster_only')
  })
})
