import { describe, expect, test } from 'vitest'
import { codeOf, MeshError } from '../../../protocol/core/errors.ts'
import { MEMBERS_MAX } from '../../../protocol/core/limits.ts'
import { revoke } from '../../../protocol/core/revocation.ts'
import type { Member, Roster, SealedRoster } from '../../../protocol/core/roster.ts'
import {
  admit,
  checkSuccessor,
  foundRoster,
  memberOf,
  reseat
} from '../../../protocol/core/roster-rules.ts'

const NOW_MS = 1_000
const SELF = 'peer0'

function witness(index: number): Member {
  return {
    peerId: `peer${index}`,
    name: `host${index}`,
    roles: ['agent', 'witness'],
    addresses: ['/ip4/127.0.0.1/tcp/4471'],
    witness: { storeId: index.toString(16).padStart(32, '0'), zone: 'rack1' },
    notAfterMs: 2_000
  }
}

function plain(index: number, role: 'agent' | 'gateway' = 'agent'): Member {
  return { ...witness(index), roles: [role], witness: undefined }
}

function sealed(roster: Roster): SealedRoster {
  return { roster, hash: `hash${roster.version}`, bytes: new Uint8Array() }
}

function meshOf(...members: readonly Member[]): Roster {
  const first = foundRoster('auth', witness(0), 'default')
  return members.reduce((roster, next) => admit(sealed(roster), next, NOW_MS), first)
}

function revoked(roster: Roster, ...whom: readonly string[]): Roster {
  const next = revoke(sealed(roster), whom, SELF, NOW_MS)
  // Nobody takes a roster that breaks the rules of successors.
  expect(checkSuccessor(roster, next, 'auth', `hash${roster.version}`)).toBeUndefined()
  return next
}

const three = meshOf(witness(1), witness(2), plain(3), plain(4, 'gateway'))

describe('revoking', () => {
  test.each([
    ['an agent', ['host3'], ['peer3'], 0],
    ['one by its peer id', ['peer3'], ['peer3'], 0],
    ['a gateway', ['host4'], ['peer4'], 0],
    ['a witness, whose seat goes with it', ['host2'], ['peer2'], 1],
    ['several at once', ['host2', 'peer3'], ['peer2', 'peer3'], 1],
    ['one that is named twice', ['host3', 'peer3'], ['peer3'], 0]
  ])('%s', (_name, whom, gone, rise) => {
    const next = revoked(three, ...whom)

    expect(next).toMatchObject({ version: three.version + 1, revoked: gone })
    expect(next.witnessEpoch).toBe(three.witnessEpoch + rise)
    expect(next.members).toEqual(three.members.filter(({ peerId }) => !gone.includes(peerId)))
    for (const peer of gone) expect(memberOf(next, peer, NOW_MS)).toBeUndefined()
  })

  test('adds to those that were revoked before', () => {
    expect(revoked(revoked(three, 'host3'), 'host4').revoked).toEqual(['peer3', 'peer4'])
  })

  test.each([
    ['of a name that nobody has', three, ['nobody'], 'MEMBER_UNKNOWN'],
    ['of a good one and an unknown one', three, ['host3', 'nobody'], 'MEMBER_UNKNOWN'],
    ['of one that was revoked', revoked(three, 'host3'), ['peer3'], 'PEER_REVOKED'],
    ['of the host that signs', three, ['host0'], 'REVOKE_SELF'],
    ['of the host that signs, by its peer id', three, [SELF], 'REVOKE_SELF'],
    ['of two of three witnesses', three, ['host1', 'host2'], 'REVOKE_LOSES_MAJORITY'],
    ['of one of two witnesses', meshOf(witness(1)), ['host1'], 'REVOKE_LOSES_MAJORITY'],
    ['beyond what a roster holds', withRevoked(MEMBERS_MAX), ['host3'], 'REVOKED_FULL']
  ])('%s is refused', (_name, roster, whom, code) => {
    expect(refusal(roster, ...whom)).toBe(code)
  })

  test('of the last agent is refused where the host that signs is none', () => {
    const roster = admit(sealed(three), { ...witness(0), roles: ['operator', 'witness'] }, NOW_MS)

    expect(refusal(roster, 'host1', 'host2', 'host3')).toBe('REVOKE_LAST_AGENT')
    expect(refusal(roster, 'host3')).toBeUndefined()
  })

  test('goes up to the last place of the list', () => {
    expect(revoked(withRevoked(MEMBERS_MAX - 1), 'host3').revoked).toHaveLength(MEMBERS_MAX)
  })

  test('of two of five witnesses goes, of three not', () => {
    const five = meshOf(witness(1), witness(2), witness(3), witness(4))

    expect(revoked(five, 'host1', 'host2')).toMatchObject({ w: 3 })
    expect(refusal(five, 'host1', 'host2', 'host3')).toBe('REVOKE_LOSES_MAJORITY')
  })

  test('of too many witnesses names the ways out, and both of them work', () => {
    const two = meshOf(witness(1))
    const error = errorOf(two, 'host1')
    expect(error).toContain('`agent unseat host1`')
    expect(error).toContain('`agent reseal --epoch 2 --without host1`')

    const unseated = reseat(sealed(two), { without: ['host1'], lost: [] }, NOW_MS)
    const resealed = reseat(sealed(two), { without: ['host1'], lost: [2] }, NOW_MS)
    for (const roster of [unseated, resealed]) {
      expect(revoked(roster, 'host1').revoked).toEqual(['peer1'])
    }
  })

  test('takes the one with that peer id, and not the one that is called like it', () => {
    const roster = meshOf(plain(1), { ...plain(2), name: 'peer1' })

    expect(revoked(roster, 'peer1').revoked).toEqual(['peer1'])
  })
})

function withRevoked(count: number): Roster {
  return { ...three, revoked: Array.from({ length: count }, (_, index) => `gone${index}`) }
}

function refusal(roster: Roster, ...whom: readonly string[]): string | undefined {
  try {
    revoke(sealed(roster), whom, SELF, NOW_MS)
  } catch (error) {
    return codeOf(error)
  }
  return undefined
}

function errorOf(roster: Roster, ...whom: readonly string[]): string | undefined {
  try {
    revoke(sealed(roster), whom, SELF, NOW_MS)
  } catch (error) {
    if (error instanceof MeshError) return error.message
    throw error
  }
  return undefined
}
