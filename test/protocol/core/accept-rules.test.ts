import { describe, expect, test } from 'vitest'
import { acceptProblem, roundProblem } from '../../../protocol/core/accept-rules.ts'
import { BALLOT_JUMP_MAX } from '../../../protocol/core/limits.ts'
import { landingOf } from '../../../protocol/core/move.ts'
import { ballot } from '../../support/acceptor-calls.ts'
import { DIGEST, JOB } from '../../support/arbitrary-register.ts'
import { claim, create, jobAfter, op } from '../../support/job-ops.ts'

const FACTS = { leaseMs: 3_000, valueValid: true, digest: DIGEST }
const create3 = create()
const queued = jobAfter(create3)
const leased = jobAfter(create3, claim('peerA', 'c1'))

describe('a round', () => {
  test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])(
    'of %s is none',
    (round) => {
      expect(roundProblem(ballot(round), ballot(1))).toBe('invalid')
    }
  )

  test('may jump so far and no farther', () => {
    expect(roundProblem(ballot(7 + BALLOT_JUMP_MAX), ballot(7))).toBeUndefined()
    expect(roundProblem(ballot(8 + BALLOT_JUMP_MAX), ballot(7))).toBe('ballot_jump')
  })
})

describe('a value', () => {
  test('that its op makes of the one before is fine', () => {
    expect(acceptProblem(undefined, JOB, queued, FACTS)).toBeUndefined()
    expect(acceptProblem(queued, JOB, leased, FACTS)).toBeUndefined()
  })

  test('made from one that this witness missed is fine', () => {
    expect(acceptProblem(undefined, JOB, leased, FACTS)).toBeUndefined()
    expect(acceptProblem(jobAfter(create()), JOB, leased, FACTS)).toBeUndefined()
  })

  test('that follows the known one, but not by its op, is refused', () => {
    const forged = { ...leased, attempts: 0 }

    expect(acceptProblem(queued, JOB, forged, FACTS)).toBeDefined()
  })

  test('that begins a register otherwise than its create says is refused, whatever is known', () => {
    const forged = { ...queued, attemptsMax: 1 }

    expect(acceptProblem(undefined, JOB, forged, FACTS)).toBeDefined()
    expect(acceptProblem(queued, JOB, forged, FACTS)).toBeDefined()
  })

  test('that is not signed is refused', () => {
    expect(acceptProblem(queued, JOB, leased, { ...FACTS, valueValid: false })).toBeDefined()
  })

  test('whose lease is longer or shorter than the roster’s is refused', () => {
    for (const leaseMs of [2_999, 3_001, 30_000]) {
      const body = { kind: 'claim', claimId: 'c1', boot: 'b', leaseMs } as const
      const value = jobAfter(create3, op('peerA', body))
      expect(acceptProblem(undefined, JOB, value, FACTS)).toBeDefined()
    }
  })

  test('that came along with a lease of another length is fine, as long as it keeps that', () => {
    const moved = (leaseMs: number) => {
      const claimed = op('peerA', { kind: 'claim', claimId: 'c1', boot: 'b', leaseMs })
      const move = op('peerA', { kind: 'move', witnessEpoch: 2, reason: 'witness_gone' })
      return landingOf(jobAfter(create3, claimed, move))
    }
    const [long, short] = [moved(30_000), moved(3_000)]
    if (long === undefined || short === undefined) throw new Error('no landing')

    expect(acceptProblem(undefined, JOB, long, FACTS)).toBeUndefined()
    expect(acceptProblem(short, JOB, { ...long, prevHash: 'x' }, FACTS)).toBeDefined()
    expect(acceptProblem(undefined, JOB, moved(29_000) ?? long, FACTS)).toBeDefined()
  })

  test('of another register is refused', () => {
    expect(acceptProblem(undefined, 'RUN.1', queued, FACTS)).toBeDefined()
  })
})
