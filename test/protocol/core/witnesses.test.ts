import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Member, Roster } from '../../../protocol/core/roster.ts'
import { FORMER_EPOCHS_MAX } from '../../../protocol/core/roster-limits.ts'
import {
  formerWitnesses,
  quorumOf,
  witnessCount,
  witnessesOf,
  witnessRefs
} from '../../../protocol/core/witnesses.ts'
import { DIGEST } from '../../support/arbitrary-register.ts'

function witness(index: number, zone: string): Member {
  return {
    peerId: `peer${index}`,
    name: `host${index}`,
    roles: ['agent', 'witness'],
    addresses: [],
    witness: { storeId: index.toString(16).padStart(32, '0'), zone },
    notAfterMs: 1
  }
}

function rosterOf(members: readonly Member[], witnessEpoch = 1): Roster {
  const w = witnessCount(members.filter((member) => member.witness !== undefined).length)
  const head = { version: witnessEpoch, prevHash: '', lease: 'default', authority: 'auth' } as const
  return { ...head, witnessEpoch, w, members, revoked: [] }
}

const runIds = Array.from({ length: 300 }, (_, index) => `RUN${index}`)

describe('how many', () => {
  test.each([
    [0, 1],
    [1, 1],
    [2, 1],
    [3, 3],
    [4, 3],
    [5, 5],
    [9, 5]
  ])('of %i witnesses a run has %i', (total, w) => {
    expect(witnessCount(total)).toBe(w)
  })

  test('any two quorums share a witness', () => {
    for (const count of [1, 3, 5]) expect(2 * quorumOf(count)).toBeGreaterThan(count)
    expect([quorumOf(1), quorumOf(3), quorumOf(5)]).toEqual([1, 2, 3])
  })
})

describe('the witnesses of a run', () => {
  test('are the same for everybody, in whatever order the roster lists its members', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6], { minLength: 7 }),
        fc.constantFrom(...runIds),
        (order, runId) => {
          const members = [0, 1, 2, 3, 4, 5, 6].map((index) => witness(index, `zone${index % 4}`))
          const shuffled = order.map((index) => witness(index, `zone${index % 4}`))
          expect(witnessesOf(runId, rosterOf(shuffled), DIGEST)).toEqual(
            witnessesOf(runId, rosterOf(members), DIGEST)
          )
        }
      )
    )
  })

  test('do not depend on who is expired: observers would differ', () => {
    const members = [0, 1, 2, 3].map((index) => witness(index, 'zone'))
    const over = members.map((member) => ({ ...member, notAfterMs: 0 }))

    expect(witnessesOf('RUN', rosterOf(over), DIGEST)).toEqual(
      witnessesOf('RUN', rosterOf(members), DIGEST)
    )
  })

  test('come from different zones while there are unused ones', () => {
    const members = [0, 1, 2, 3, 4, 5, 6].map((index) => {
      return witness(index, index < 5 ? 'crowded' : `single${index}`)
    })
    for (const runId of runIds) {
      const zones = witnessesOf(runId, rosterOf(members), DIGEST).map(({ zone }) => zone)
      expect(zones).toHaveLength(5)
      expect(new Set(zones)).toEqual(new Set(['crowded', 'single5', 'single6']))
    }
  })

  test('share the load', () => {
    const members = [0, 1, 2, 3, 4, 5].map((index) => witness(index, `zone${index}`))
    const roster = rosterOf(members)
    const shares = members.map(({ peerId }) => {
      return runIds.filter((runId) =>
        witnessesOf(runId, roster, DIGEST).some((ref) => ref.peerId === peerId)
      ).length
    })

    for (const share of shares) expect(share / runIds.length).toBeGreaterThan(5 / 6 - 0.1)
  })

  test('are others under another witness epoch or with another store', () => {
    const members = [0, 1, 2, 3].map((index) => witness(index, 'zone'))
    const setOf = (roster: Roster, runId: string) =>
      witnessesOf(runId, roster, DIGEST)
        .map(({ peerId }) => peerId)
        .join()
    const renewed = members.map((member, index) => ({
      ...member,
      witness: { storeId: (index + 99).toString(16).padStart(32, '0'), zone: 'zone' }
    }))
    const count = (other: Roster) =>
      runIds.filter((runId) => setOf(other, runId) !== setOf(rosterOf(members), runId)).length

    expect(count(rosterOf(members, 2))).toBeGreaterThan(100)
    expect(count(rosterOf(renewed))).toBeGreaterThan(100)
  })

  test('are members with the role and a store', () => {
    const agent: Member = { ...witness(1, 'zone'), roles: ['agent'], witness: undefined }
    const former: Member = { ...witness(2, 'zone'), roles: ['agent'] }
    const roster = rosterOf([witness(0, 'zone'), agent, former])

    expect(witnessRefs(roster).map(({ peerId }) => peerId)).toEqual(['peer0'])
  })
})

describe('former witnesses', () => {
  const [a, b, c, d] = [1, 2, 3, 4].map((index) => witness(index, `z${index}`)) as Member[]
  const asAgent = (member = a as Member): Member => ({ ...member, roles: ['agent'] })
  const before = rosterOf([a, b, c] as Member[], 1)
  const at = (epoch: number): Roster | undefined => (epoch === 1 ? before : undefined)
  const formerIn = (members: readonly (Member | undefined)[]) => {
    const current = rosterOf(members as Member[], 2)
    return formerWitnesses(current, at).map(({ peerId }) => peerId)
  }

  test('are members still that gave their seats away', () => {
    expect(formerIn([a, b, asAgent(c), d])).toEqual(['peer3'])
  })

  test('are none that left, and none whose store is another now', () => {
    const other = { ...(c as Member), witness: { storeId: 'ff'.repeat(16), zone: 'z3' } }
    expect(formerIn([a, b, d])).toEqual([])
    expect(formerIn([a, b, other])).toEqual([])
  })

  test('are as few as there are, and each only once', () => {
    const current = rosterOf([a, b, asAgent(c), d] as Member[], FORMER_EPOCHS_MAX + 3)
    const asked: number[] = []
    const former = formerWitnesses(current, (epoch) => {
      asked.push(epoch)
      return { ...before, witnessEpoch: epoch }
    })
    expect(former.map(({ peerId }) => peerId)).toEqual(['peer3'])
    expect(asked).toHaveLength(FORMER_EPOCHS_MAX)
  })
})
