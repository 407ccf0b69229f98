import { describe, expect, test } from 'vitest'
import { LEASE_PROFILES } from '../../../protocol/core/lease-profile.ts'
import type { ValueReply } from '../../../protocol/core/reader.ts'
import { judgeRead, quorumRemainingMs } from '../../../protocol/core/reader.ts'
import { ballot } from '../../support/acceptor-calls.ts'
import { DIGEST } from '../../support/arbitrary-register.ts'
import { claim, create, jobAfter } from '../../support/job-ops.ts'
import { acceptedOf, leaseOf, valueReply } from '../../support/proposer-calls.ts'

const create3 = create()
const queued = jobAfter(create3)
const leased = jobAfter(create3, claim('peerA', 'c1'))
const old = acceptedOf(queued, 3)
const fresh = acceptedOf(leased, 5)

function judge(quorum: number, ...replies: readonly ValueReply[]) {
  const named = replies.map((reply, index) => [`w${index + 1}`, reply] as const)
  return judgeRead(new Map(named), quorum, DIGEST)
}

describe('a read', () => {
  test('waits for a quorum', () => {
    expect(judge(2, valueReply(fresh))).toEqual({ kind: 'waiting' })
  })

  test('that finds the same on a quorum knows what is chosen', () => {
    const read = judge(2, valueReply(fresh, leaseOf(1, 900)), valueReply(fresh, leaseOf(1, 400)))

    expect(read).toMatchObject({ kind: 'chosen', value: leased, accepted: fresh, lagging: [] })
    expect(read).toMatchObject({ leaseRemainingMs: 900, highestRound: 5, equivocation: undefined })
  })

  test('that finds nothing on a quorum knows that the register is empty', () => {
    expect(judge(2, valueReply(undefined), valueReply(undefined))).toMatchObject({
      kind: 'chosen',
      value: undefined,
      accepted: undefined
    })
  })

  test('that finds a higher ballot on a minority knows nothing yet', () => {
    const two = judge(2, valueReply(old), valueReply(fresh))
    const three = judge(2, valueReply(old), valueReply(old), valueReply(fresh))
    const empty = judge(2, valueReply(undefined), valueReply(undefined), valueReply(fresh))

    for (const read of [two, three, empty]) {
      expect(read).toMatchObject({ kind: 'unsettled', base: leased })
    }
  })

  test('names those that lag, so that they can be told', () => {
    const read = judge(2, valueReply(fresh), valueReply(old), valueReply(fresh))

    expect(read).toMatchObject({ kind: 'chosen', value: leased, lagging: ['w2'] })
  })

  test('compares ballots, not values: a value under two ballots is not chosen', () => {
    const again = acceptedOf(leased, 6)

    expect(judge(2, valueReply(fresh), valueReply(again))).toMatchObject({ kind: 'unsettled' })
  })

  test('sounds the alarm at two values under one ballot', () => {
    const rival = acceptedOf(queued, 5)

    expect(judge(2, valueReply(rival), valueReply(fresh))).toMatchObject({
      kind: 'unsettled',
      equivocation: [rival, fresh]
    })
    const majority = judge(2, valueReply(rival), valueReply(fresh), valueReply(fresh))
    expect(majority).toMatchObject({ kind: 'chosen', value: leased, equivocation: [fresh, rival] })
  })

  test('shows the newest stage that any of them heard', () => {
    const stage = { name: 'step', step: 2, steps: 3 } as const
    const late = valueReply(fresh, { ...leaseOf(1, 900), stage })

    expect(judge(2, valueReply(fresh, leaseOf(1, 100)), late)).toMatchObject({ stage })
  })

  test('knows the highest round that was promised', () => {
    const promised = { ...valueReply(fresh), promised: ballot(9) }

    expect(judge(2, valueReply(fresh), promised)).toMatchObject({ highestRound: 9 })
  })
})

describe('the time until a quorum lets another claim in', () => {
  const { takeOverMs } = LEASE_PROFILES.short

  test.each([
    [[900, 400, 0], 400],
    [[900, 0, 0], 0],
    [[900, 400], 900],
    [[900, undefined, 400], 900],
    [[undefined, 400], takeOverMs],
    [[undefined, 400, undefined], takeOverMs],
    [[400], Number.POSITIVE_INFINITY]
  ])('of %j is %s ms, a witness without this lease counting in full', (remaining, expected) => {
    const answers = remaining.map((ms) => {
      return ms === undefined ? valueReply(old) : valueReply(fresh, leaseOf(1, ms))
    })

    expect(quorumRemainingMs(leased, answers, 2)).toBe(expected)
  })

  test('does not count the lease of another claim of the same epoch', () => {
    const rival = acceptedOf(jobAfter(create3, claim('peerB', 'c2')), 4)
    const answers = [valueReply(fresh, leaseOf(1, 0)), valueReply(rival, leaseOf(1, 0))]

    expect(quorumRemainingMs(leased, answers, 2)).toBe(takeOverMs)
  })

  test('is nothing where nothing is leased', () => {
    expect(quorumRemainingMs(queued, [valueReply(old), valueReply(old)], 2)).toBe(0)
    expect(quorumRemainingMs(undefined, [], 2)).toBe(0)
  })
})
