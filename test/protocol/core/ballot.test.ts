import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Ballot } from '../../../protocol/core/ballot.ts'
import { compareBallots, highestBallot, NO_BALLOT } from '../../../protocol/core/ballot.ts'

const arbitraryBallot: fc.Arbitrary<Ballot> = fc.record({
  round: fc.integer({ min: 1, max: 3 }),
  peer: fc.constantFrom('peerA', 'peerB'),
  boot: fc.constantFrom('0a', '0b')
})

describe('ballots', () => {
  test.each([
    ['the round decides first', [2, 'peerA', '0a'], [1, 'peerB', '0b']],
    ['then the peer', [1, 'peerB', '0a'], [1, 'peerA', '0b']],
    ['then the boot', [1, 'peerA', '0b'], [1, 'peerA', '0a']]
  ] as const)('%s', (_name, high, low) => {
    const of = ([round, peer, boot]: readonly [number, string, string]) => ({ round, peer, boot })

    expect(compareBallots(of(high), of(low))).toBeGreaterThan(0)
    expect(compareBallots(of(low), of(high))).toBeLessThan(0)
  })

  test('they are in one total order', () => {
    fc.assert(
      fc.property(arbitraryBallot, arbitraryBallot, arbitraryBallot, (a, b, c) => {
        const ab = Math.sign(compareBallots(a, b))
        expect(Math.sign(compareBallots(b, a))).toBe(ab === 0 ? 0 : -ab)
        expect(ab === 0).toBe(a.round === b.round && a.peer === b.peer && a.boot === b.boot)
        if (ab <= 0 && compareBallots(b, c) <= 0)
          expect(compareBallots(a, c)).toBeLessThanOrEqual(0)
      })
    )
  })

  test('the highest of two is one of them and not below the other', () => {
    fc.assert(
      fc.property(arbitraryBallot, arbitraryBallot, (a, b) => {
        const highest = highestBallot(a, b)
        expect([a, b]).toContain(highest)
        expect(compareBallots(highest, a)).toBeGreaterThanOrEqual(0)
        expect(compareBallots(highest, b)).toBeGreaterThanOrEqual(0)
      })
    )
  })

  test('no ballot is below every ballot that a proposer makes', () => {
    fc.assert(
      fc.property(arbitraryBallot, (ballot) => {
        expect(compareBallots(NO_BALLOT, ballot)).toBeLessThan(0)
        expect(highestBallot(NO_BALLOT, ballot)).toBe(ballot)
      })
    )
  })
})
