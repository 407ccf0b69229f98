import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { acceptProblem } from '../../../protocol/core/accept-rules.ts'
import { attemptOf, attemptsAtMost, triesLeft } from '../../../protocol/core/retries.ts'
import { valueProblem } from '../../../protocol/core/value-rules.ts'
import { arbitraryHistory, DIGEST, JOB, reportOf } from '../../support/arbitrary-register.ts'
import {
  cancel,
  claim,
  complete,
  create,
  jobAfter,
  op,
  reduceOp,
  release
} from '../../support/job-ops.ts'

const failed = (holder: string, epoch: number, claimId: string) => complete(holder, epoch, claimId)

describe('a job whose own commands fail', () => {
  test('is queued again while it has retries left, for any host, under the next epoch', () => {
    const queued = jobAfter(create(3, 1), claim('peerA', 'c1'), failed('peerA', 1, 'c1'))
    expect(queued).toMatchObject({ phase: 'queued', epoch: 1, retries: 1, lease: undefined })
    expect(queued.outcome).toBeUndefined()
    expect(queued.history.at(-1)).toMatchObject({ epoch: 1, end: 'completed', holder: 'peerA' })
    const again = reduceOp(queued, claim('peerB', 'c2'))
    expect(again).toMatchObject({ kind: 'next', value: { phase: 'leased', epoch: 2 } })
  })

  test('ends with the failure once it has none left', () => {
    const first = [claim('peerA', 'c1'), failed('peerA', 1, 'c1')]
    const second = [claim('peerB', 'c2'), failed('peerB', 2, 'c2')]
    const ended = jobAfter(create(3, 1), ...first, ...second)
    expect(ended).toMatchObject({ phase: 'failed', epoch: 2, retries: 1 })
    expect(ended.outcome).toMatchObject({ epoch: 2, state: 'failed' })
  })

  test('uses up none of the attempts that it has for lost hosts, nor they its retries', () => {
    const lives = [
      create(2, 2),
      claim('peerA', 'c1'),
      claim('peerB', 'c2'),
      failed('peerB', 2, 'c2'),
      claim('peerB', 'c3'),
      failed('peerB', 3, 'c3'),
      claim('peerB', 'c4')
    ]
    const job = jobAfter(...lives)
    expect(job).toMatchObject({ phase: 'leased', epoch: 4, attempts: 2, retries: 2 })
    expect([attemptOf(job), attemptsAtMost(job)]).toEqual([4, 4])
    expect(jobAfter(...lives, failed('peerB', 4, 'c4')).phase).toBe('failed')
  })

  test('ends at once where somebody has asked to cancel it', () => {
    const asked = [create(3, 1), claim('peerA', 'c1'), cancel()]
    expect(jobAfter(...asked, failed('peerA', 1, 'c1'))).toMatchObject({ phase: 'failed' })
  })

  test.each(['succeeded', 'errored', 'cancelled'] as const)('is not tried again: %s', (state) => {
    const body = { kind: 'complete', epoch: 1, claimId: 'c1', outcome: reportOf(1, state) } as const
    const job = jobAfter(create(3, 1), claim('peerA', 'c1'), op('peerA', body))
    expect(job.phase).toBe(state)
  })
})

test.each([6, -1, 0.5, Number.NaN])('a create with %s retries is refused', (retriesMax) => {
  expect(reduceOp(undefined, create(3, retriesMax))).toEqual({ kind: 'reject', reason: 'invalid' })
})

test('no life has more failures than retries, nor ends failed with one left', () => {
  fc.assert(
    fc.property(arbitraryHistory, ({ states }) => {
      for (const job of states) {
        if (job === undefined) continue
        expect(job.retries ?? 0).toBeLessThanOrEqual(job.retriesMax ?? 0)
        expect(attemptOf(job)).toBeLessThanOrEqual(attemptsAtMost(job))
        const isCut = job.phase === 'failed' && job.cancel === undefined
        if (isCut) expect(triesLeft(job)).toBe(0)
      }
    })
  )
})

describe('a witness that missed the value before refuses', () => {
  const context = { leaseMs: 3_000, valueValid: true, digest: DIGEST }
  const retried = jobAfter(create(3, 1), claim('peerA', 'c1'), failed('peerA', 1, 'c1'))
  const ended = jobAfter(create(3, 0), claim('peerA', 'c1'), failed('peerA', 1, 'c1'))

  test('none that the rules make', () => {
    expect(valueProblem(JOB, retried)).toBeUndefined()
    expect(valueProblem(JOB, ended)).toBeUndefined()
  })

  test.each([
    ['a success that is tried again', { ...retried, op: succeeded(retried.op) }],
    ['a retry that was not counted', { ...retried, retries: 0 }],
    ['more retries than the job has', { ...retried, retries: 2 }],
    ['a failure in place of a retry', { ...ended, retriesMax: 1 }],
    ['a retry after a cancel', { ...retried, cancel: { by: 'user', reason: 'no' } }]
  ])('%s', (_name, value) => {
    expect(valueProblem(JOB, value)).toBeDefined()
  })

  test('more retries, or attempts, than the job was created with', () => {
    const known = jobAfter(create(3, 1))
    const given = jobAfter(create(3, 1), claim('peerA', 'c1'), release('peerA', 1, 'c1'))
    expect(acceptProblem(known, JOB, given, context)).toBeUndefined()
    for (const more of [{ retriesMax: 2 }, { attemptsMax: 2 }]) {
      const problem = acceptProblem(known, JOB, { ...given, ...more }, context)
      expect(problem).toBe('attempts of another create')
    }
  })

  function succeeded(of: typeof retried.op): typeof retried.op {
    const body = { kind: 'complete', epoch: 1, claimId: 'c1', outcome: reportOf(1, 'succeeded') }
    return { ...of, body } as typeof retried.op
  }
})
