import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BALLOT_JUMP_MAX } from '../../../protocol/core/limits.ts'
import { mayBeOut, nextRound } from '../../../protocol/core/proposer-waves.ts'
import { claim } from '../../support/job-ops.ts'
import { PlayedChange, requestOf } from '../../support/proposer-calls.ts'

describe('the next round', () => {
  test.each([
    [0, 0, 1],
    [5, 5, 6],
    [5, 9, 10],
    [5, 2, 6]
  ])('after %i, having heard of %i, is %i', (own, seen, next) => {
    expect(nextRound(own, seen)).toBe(next)
  })

  test('is always a new one, and never out of the reach of a witness that saw the last', () => {
    fc.assert(
      fc.property(fc.nat(), fc.maxSafeNat(), (own, seen) => {
        const next = nextRound(own, seen)
        expect(next).toBeGreaterThan(own)
        expect(next).toBeLessThanOrEqual(own + BALLOT_JUMP_MAX)
      })
    )
  })
})

describe('an op may be out there', () => {
  test('from its first accept on, or from an earlier change', () => {
    const op = claim('peerA', 'c1')
    const { state } = new PlayedChange(requestOf({ op }))

    expect(mayBeOut(state)).toBe(false)
    expect(mayBeOut(new PlayedChange(requestOf({ op, ambiguous: true })).state)).toBe(true)
    expect(mayBeOut({ ...state, sent: { round: 1, peer: 'peerA', boot: '0a' } })).toBe(true)
  })
})
