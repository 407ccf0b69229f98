import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CANCEL_GRACE_MS_MAX } from '../../../protocol/core/follow-limits.ts'
import { isTerminal } from '../../../protocol/core/job.ts'
import { reduceJob } from '../../../protocol/core/job-reducer.ts'
import { HISTORY_ENTRIES_MAX, LAST_OPS_MAX } from '../../../protocol/core/limits.ts'
import {
  ANN_HASH,
  arbitraryHistory,
  arbitraryIntent,
  DIGEST,
  opOf,
  reportOf
} from '../../support/arbitrary-register.ts'
import {
  cancel,
  claim,
  complete,
  create,
  fail,
  jobAfter,
  op,
  reduceOp,
  release
} from '../../support/job-ops.ts'

describe('create', () => {
  test('makes a queued job without an epoch', () => {
    const job = jobAfter(create(2))

    expect(job).toMatchObject({ phase: 'queued', epoch: 0, attempts: 0, attemptsMax: 2 })
    expect(job).toMatchObject({ version: 1, prevHash: '', annHash: ANN_HASH })
  })

  test('on an existing job is the same, whatever it says', () => {
    expect(reduceOp(jobAfter(create(2)), create(1))).toEqual({ kind: 'same' })
    expect(reduceOp(jobAfter(create(), cancel()), create())).toEqual({ kind: 'same' })
  })

  test.each([0, 4, 1.5, Number.NaN])('with %s attempts is refused', (attemptsMax) => {
    expect(reduceOp(undefined, create(attemptsMax))).toEqual({ kind: 'reject', reason: 'invalid' })
  })

  test('is what every other op needs first', () => {
    for (const next of [claim('peerA', 'c1'), cancel(), complete('peerA', 1, 'c1')]) {
      expect(reduceOp(undefined, next)).toEqual({ kind: 'reject', reason: 'absent' })
    }
  })
})

describe('claim', () => {
  test('of a queued job begins the next epoch', () => {
    const job = jobAfter(create(), claim('peerA', 'c1'))

    expect(job).toMatchObject({ phase: 'leased', epoch: 1, attempts: 1, version: 2 })
    expect(job.lease).toEqual({
      holder: 'peerA',
      claimId: 'c1',
      boot: 'boot-peerA',
      leaseMs: 3_000
    })
  })

  test('over a lease is a take-over and leaves an expired entry', () => {
    const job = jobAfter(create(), claim('peerA', 'c1'), claim('peerB', 'c2'))

    expect(job).toMatchObject({ epoch: 2, attempts: 2, lease: { holder: 'peerB' } })
    expect(job.history).toEqual([
      { epoch: 1, holder: 'peerA', claimId: 'c1', end: 'expired', opId: '', argsHash: '', sig: '' }
    ])
  })

  test('that is sent again is the same, even once others came after it', () => {
    const first = claim('peerA', 'c1')
    const job = jobAfter(create(), first)

    expect(reduceOp(job, first)).toEqual({ kind: 'same' })
    expect(reduceOp(jobAfter(create(), first, claim('peerB', 'c2')), first)).toEqual({
      kind: 'same'
    })
  })

  test('of the lease that its claimer holds is the same under a new operation id, too', () => {
    const job = jobAfter(create(), claim('peerA', 'c1', 'one'))

    expect(reduceOp(job, claim('peerA', 'c1', 'two'))).toEqual({ kind: 'same' })
  })

  test('with the claim id of an earlier lease is refused', () => {
    const job = jobAfter(create(), claim('peerA', 'c1', 'one'), release('peerA', 1, 'c1'))

    const played = reduceOp(job, claim('peerA', 'c1', 'two'))
    expect(played).toEqual({ kind: 'reject', reason: 'claim_used' })
    const stolen = reduceOp(jobAfter(create(), claim('peerA', 'c1')), claim('peerB', 'c1'))
    expect(stolen).toEqual({ kind: 'reject', reason: 'claim_used' })
  })

  test('of a job whose attempts are used up is refused, queued or leased', () => {
    const leased = jobAfter(create(1), claim('peerA', 'c1'))
    const queued = jobAfter(create(1), claim('peerA', 'c1'), release('peerA', 1, 'c1'))

    const refusal = { kind: 'reject', reason: 'attempts_exhausted' }
    expect(reduceOp(leased, claim('peerB', 'c2'))).toEqual(refusal)
    expect(reduceOp(queued, claim('peerB', 'c2'))).toEqual(refusal)
  })

  test('over a lease with the cancel flag cancels the job, used up or not', () => {
    const job = jobAfter(create(1), claim('peerA', 'c1'), cancel(), claim('peerB', 'c2'))

    expect(job).toMatchObject({ phase: 'cancelled', epoch: 1, lease: undefined })
    expect(job.outcome).toMatchObject({ state: 'cancelled', message: 'no longer needed' })
    expect(job.history.at(-1)).toMatchObject({ epoch: 1, end: 'expired' })
  })
})

describe('complete and release', () => {
  test('complete ends the job with the outcome of its holder', () => {
    const end = complete('peerA', 1, 'c1')
    const job = jobAfter(create(), claim('peerA', 'c1'), end)

    expect(job).toMatchObject({ phase: 'failed', lease: undefined, outcome: { epoch: 1 } })
    expect(job.history.at(-1)).toMatchObject({ end: 'completed', opId: end.opId, sig: end.sig })
  })

  test('release queues the job again and keeps its count of attempts', () => {
    const job = jobAfter(create(), claim('peerA', 'c1'), release('peerA', 1, 'c1'))

    expect(job).toMatchObject({ phase: 'queued', epoch: 1, attempts: 1, lease: undefined })
    expect(job.history.at(-1)).toMatchObject({ epoch: 1, end: 'released', holder: 'peerA' })
  })

  test('release before any of the job’s own code ran gives the attempt back', () => {
    const job = jobAfter(create(1), claim('peerA', 'c1'), release('peerA', 1, 'c1', false))

    expect(job.attempts).toBe(0)
    expect(
      jobAfter(
        create(1),
        claim('peerA', 'c1'),
        release('peerA', 1, 'c1', false),
        claim('peerB', 'c2')
      ).epoch
    ).toBe(2)
  })

  test('release of a job with the cancel flag cancels it', () => {
    const job = jobAfter(create(), claim('peerA', 'c1'), cancel(), release('peerA', 1, 'c1'))

    expect(job).toMatchObject({ phase: 'cancelled', cancel: { by: 'user' } })
  })

  test('complete after a cancel that came too late stands', () => {
    const job = jobAfter(create(), claim('peerA', 'c1'), cancel(), complete('peerA', 1, 'c1'))

    expect(job.phase).toBe('failed')
  })
})

describe('the end of a lease that is not the current one', () => {
  test.each([
    ['another actor', complete('peerB', 1, 'c1'), 'not_holder'],
    ['another claim', complete('peerA', 1, 'c2'), 'not_holder'],
    ['an earlier epoch', complete('peerA', 0, 'c1'), 'stale_epoch'],
    ['a later epoch', complete('peerA', 2, 'c1'), 'stale_epoch'],
    ['another actor', release('peerB', 1, 'c1'), 'not_holder'],
    ['another claim', release('peerA', 1, 'c2'), 'not_holder'],
    ['an earlier epoch', release('peerA', 0, 'c1'), 'stale_epoch']
  ] as const)('of %s is refused', (_name, next, reason) => {
    const job = jobAfter(create(), claim('peerA', 'c1'))

    expect(reduceOp(job, next)).toEqual({ kind: 'reject', reason })
  })

  test('after a take-over the earlier holder is refused', () => {
    const job = jobAfter(create(), claim('peerA', 'c1'), claim('peerB', 'c2'))

    expect(reduceOp(job, complete('peerA', 1, 'c1'))).toEqual({
      kind: 'reject',
      reason: 'stale_epoch'
    })
  })

  test('of a job that is queued again are refused', () => {
    const job = jobAfter(create(), claim('peerA', 'c1'), release('peerA', 1, 'c1'))

    expect(reduceOp(job, complete('peerA', 1, 'c1'))).toEqual({
      kind: 'reject',
      reason: 'not_leased'
    })
  })

  test('an outcome that names another epoch is refused', () => {
    const body = {
      kind: 'complete',
      epoch: 1,
      claimId: 'c1',
      outcome: reportOf(2, 'failed')
    } as const
    const made = reduceOp(jobAfter(create(), claim('peerA', 'c1')), op('peerA', body))

    expect(made).toEqual({ kind: 'reject', reason: 'invalid' })
  })
})

describe('cancel and error', () => {
  test('cancel ends a queued job at once', () => {
    const job = jobAfter(create(), cancel())

    expect(job).toMatchObject({ phase: 'cancelled', cancel: { by: 'user' }, outcome: { epoch: 0 } })
  })

  test('cancel with a grace says so in the flag, and one beyond its limit is refused', () => {
    const flagged = jobAfter(create(), claim('peerA', 'c1'), cancel(CANCEL_GRACE_MS_MAX))

    expect(flagged.cancel).toMatchObject({ by: 'user', graceMs: CANCEL_GRACE_MS_MAX })
    for (const graceMs of [0, 0.5, CANCEL_GRACE_MS_MAX + 1]) {
      const refusal = { kind: 'reject', reason: 'invalid' }
      expect(reduceOp(jobAfter(create()), cancel(graceMs))).toEqual(refusal)
    }
  })

  test('cancel of a leased job only sets the flag, once', () => {
    const job = jobAfter(create(), claim('peerA', 'c1'), cancel())

    expect(job).toMatchObject({ phase: 'leased', epoch: 1, cancel: { by: 'user' } })
    expect(reduceOp(job, cancel())).toEqual({ kind: 'same' })
  })

  test('a job whose attempts are used up ends as errored, queued or leased', () => {
    const leased = jobAfter(create(1), claim('peerA', 'c1'), fail('agent_lost'))
    const queued = jobAfter(
      create(1),
      claim('peerA', 'c1'),
      release('peerA', 1, 'c1'),
      fail('agent_lost')
    )

    expect(leased).toMatchObject({ phase: 'errored', outcome: { reason: 'agent_lost', epoch: 1 } })
    expect(leased.history.at(-1)).toMatchObject({ end: 'expired' })
    expect(queued).toMatchObject({ phase: 'errored', outcome: { message: 'why' } })
  })

  test('a job with attempts left is not errored for a lost agent', () => {
    const refusal = { kind: 'reject', reason: 'not_allowed' }

    expect(reduceOp(jobAfter(create()), fail('agent_lost'))).toEqual(refusal)
    expect(reduceOp(jobAfter(create(), claim('peerA', 'c1')), fail('agent_lost'))).toEqual(refusal)
  })

  test('a queued job that nobody can run is errored, a leased one is not', () => {
    expect(jobAfter(create(), fail('never_matched')).phase).toBe('errored')
    const leased = jobAfter(create(1), claim('peerA', 'c1'))
    expect(reduceOp(leased, fail('never_matched'))).toEqual({
      kind: 'reject',
      reason: 'not_allowed'
    })
  })

  test('error of a lease with the cancel flag cancels the job', () => {
    const job = jobAfter(create(), claim('peerA', 'c1'), cancel(), fail('agent_lost'))

    expect(job.phase).toBe('cancelled')
  })
})

describe('every job', () => {
  test('that has ended stays as it is', () => {
    fc.assert(
      fc.property(arbitraryHistory, arbitraryIntent, ({ ops, states }, intent) => {
        const ended = states.find((state) => state !== undefined && isTerminal(state.phase))
        if (ended === undefined) return
        expect(states.at(-1)).toBe(ended)
        expect(reduceOp(ended, opOf(intent, ended, ops)).kind).not.toBe('next')
        const { phase, outcome } = ended
        const without = phase === 'skipped' || phase === 'moved'
        expect(outcome?.state).toBe(without ? undefined : phase)
      })
    )
  })

  test('counts its epochs by claims alone, one by one', () => {
    fc.assert(
      fc.property(arbitraryHistory, ({ states }) => {
        states.forEach((state, index) => {
          const before = states[index - 1]
          if (state === undefined || before === undefined || state === before) return
          const claimed = state.phase === 'leased' && state.op.body.kind === 'claim'
          expect(state.epoch).toBe(before.epoch + (claimed ? 1 : 0))
          expect(state.version).toBe(before.version + 1)
          expect(state.prevHash).toBe(DIGEST.hash(before))
        })
      })
    )
  })

  test('takes every op once', () => {
    fc.assert(
      fc.property(arbitraryHistory, ({ ops, states }) => {
        const last = states.at(-1)
        const recent = last?.lastOps ?? []
        expect(recent.length).toBeGreaterThan(0)
        for (const { opId } of recent) {
          const again = ops.find((known) => known.opId === opId)
          if (again !== undefined) expect(reduceOp(last, again)).toEqual({ kind: 'same' })
        }
      })
    )
  })

  test('stays small, however long it lives', () => {
    let job = jobAfter(create())
    for (let epoch = 1; epoch <= 40; epoch += 1) {
      const claimed = reduceOp(job, claim('peerA', `c${epoch}`))
      if (claimed.kind !== 'next') throw new Error('not claimed')
      const released = reduceOp(claimed.value, release('peerA', epoch, `c${epoch}`, false))
      if (released.kind !== 'next') throw new Error('not released')
      job = released.value
    }

    expect(job.epoch).toBe(40)
    expect(job.history).toHaveLength(HISTORY_ENTRIES_MAX)
    expect(job.history.at(-1)?.epoch).toBe(40)
    expect(job.lastOps).toHaveLength(LAST_OPS_MAX)
  })

  test('comes out the same for everybody and leaves what it was made from alone', () => {
    fc.assert(
      fc.property(arbitraryHistory, arbitraryIntent, ({ ops, states }, intent) => {
        const state = states.at(-1)
        const next = opOf(intent, state, ops)
        const before = JSON.stringify(state)

        expect(reduceOp(state, next)).toEqual(reduceOp(state, next))
        expect(JSON.stringify(state)).toBe(before)
      })
    )
  })

  test('is refused under the name of another register', () => {
    const job = jobAfter(create())

    const made = reduceJob(job, 'RUN.1', claim('peerA', 'c1'), DIGEST)
    expect(made).toEqual({ kind: 'reject', reason: 'invalid' })
  })
})
