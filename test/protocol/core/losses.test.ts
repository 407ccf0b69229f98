import { describe, expect, test } from 'vitest'
import type { JobState } from '../../../protocol/core/job.ts'
import { lossHosts, mayHarmHosts } from '../../../protocol/core/losses.ts'
import { valueProblem } from '../../../protocol/core/value-rules.ts'
import { JOB } from '../../support/arbitrary-register.ts'
import { cancel, claim, create, fail, jobAfter, reduceOp, release } from '../../support/job-ops.ts'

const QUARANTINED = { kind: 'reject', reason: 'quarantined' }
const onA = claim('peerA', 'c1')
const onB = claim('peerB', 'c2')
/** Lost on peerA, and now with peerB: lost there too as soon as somebody else takes it. */
const twice = jobAfter(create(), onA, onB)

describe('a job that was lost on two hosts', () => {
  test('is not claimed a third time, whoever asks', () => {
    for (const peer of ['peerA', 'peerB', 'peerC']) {
      expect(reduceOp(twice, claim(peer, 'c3'))).toEqual(QUARANTINED)
    }
  })

  test('ends as quarantined, with both losses in its history', () => {
    const job = jobAfter(create(), onA, onB, fail('quarantined'))

    expect(job).toMatchObject({ phase: 'errored', epoch: 2, lease: undefined })
    expect(job.outcome).toMatchObject({ state: 'errored', reason: 'quarantined' })
    expect(lossHosts(job.history)).toEqual(['peerA', 'peerB'])
    expect(valueProblem(JOB, job)).toBeUndefined()
  })

  test('is cancelled all the same where somebody has asked for that', () => {
    const flagged = jobAfter(create(), onA, onB, cancel())

    expect(reduceOp(flagged, claim('peerC', 'c3'))).toMatchObject({
      value: { phase: 'cancelled' }
    })
  })

  test('that has no attempt left ends as lost, as ever', () => {
    const job = jobAfter(create(2), onA, onB)

    expect(reduceOp(job, claim('peerC', 'c3'))).toEqual({
      kind: 'reject',
      reason: 'attempts_exhausted'
    })
    expect(jobAfter(create(2), onA, onB, fail('agent_lost')).outcome?.reason).toBe('agent_lost')
  })
})

describe('a job goes on', () => {
  const lives: readonly (readonly [string, JobState])[] = [
    ['after one loss', jobAfter(create(), onA)],
    ['after two losses on the same host', jobAfter(create(), onA, claim('peerA', 'c2'))],
    ['after a loss and a release', jobAfter(create(), onA, onB, release('peerB', 2, 'c2'))]
  ]

  test.each(lives)('%s', (_name, job) => {
    expect(reduceOp(job, claim('peerC', 'c9'))).toMatchObject({ kind: 'next' })
    expect(reduceOp(job, fail('quarantined'))).toEqual({ kind: 'reject', reason: 'not_allowed' })
  })

  test('on another host first, and after a third loss it has no attempt left', () => {
    const job = jobAfter(create(), onA, claim('peerA', 'c2'), claim('peerB', 'c3'))

    expect(job.attempts).toBe(3)
    expect(reduceOp(job, claim('peerC', 'c4'))).toMatchObject({ reason: 'attempts_exhausted' })
  })
})

test('a value that says quarantined without the losses is none that a reducer makes', () => {
  const job = jobAfter(create(), onA, onB, fail('quarantined'))
  const [first] = job.history
  const forged = { ...job, history: job.history.map((end) => ({ ...end, holder: 'peerA' })) }

  expect(first?.end).toBe('expired')
  expect(mayHarmHosts(forged.history)).toBe(false)
  expect(valueProblem(JOB, forged)).toBe('op')
})
