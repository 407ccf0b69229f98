import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { arrivalProblem, leadOf } from '../../../protocol/core/arrival.ts'
import type { JobOp, JobState } from '../../../protocol/core/job.ts'
import { takeOverMsOf } from '../../../protocol/core/lease-timer.ts'
import { landingOf } from '../../../protocol/core/move.ts'
import { arbitraryHistory, DIGEST } from '../../support/arbitrary-register.ts'
import {
  adopt,
  cancel,
  claim,
  complete,
  create,
  fail,
  jobAfter,
  op,
  reaffirm,
  reduceOp,
  release
} from '../../support/job-ops.ts'

const START_MS = 1_000
const LEASE_MS = 3_000
const TAKE_OVER_MS = takeOverMsOf(LEASE_MS)

function movedTo(witnessEpoch: number, isLeased: boolean): JobState {
  const move = op('gateway', { kind: 'move', witnessEpoch, reason: 'a witness is gone' })
  return jobAfter(create(), ...(isLeased ? [claim('peerA', 'one')] : []), move)
}

function landed(isLeased: boolean): JobState {
  const landing = landingOf(movedTo(2, isLeased))
  if (landing === undefined) throw new Error('no landing')
  return landing
}

function made(landing: JobState, ...ops: readonly JobOp[]): JobState {
  return ops.reduce((before, next) => {
    const made = reduceOp(before, next)
    if (made.kind !== 'next') throw new Error(`${next.body.kind} gives ${made.kind}`)
    return made.value
  }, landing)
}

function problem(landing: JobState, value: JobState, waitedMs: number) {
  const arrival = { landing, provenAtMs: START_MS }
  return arrivalProblem(arrival, value, START_MS + waitedMs, DIGEST)
}

const anyWait = fc.nat(3 * TAKE_OVER_MS)
const leased = landed(true)

describe('a lead', () => {
  test('ends here, goes on to an epoch in between, or leads elsewhere', () => {
    const epochs = fc.integer({ min: 2, max: 40 })
    fc.assert(
      fc.property(epochs, epochs, fc.boolean(), (target, here, isLeased) => {
        const sign = movedTo(target, isLeased)
        const lead = leadOf(sign, here)
        if (target === here) expect(lead).toEqual({ kind: 'here', landing: landingOf(sign) })
        else if (target < here) expect(lead).toEqual({ kind: 'next', witnessEpoch: target })
        else expect(lead).toEqual({ kind: 'none' })
      })
    )
  })

  test('is none where no stop-sign is chosen, whatever else is', () => {
    expect(leadOf(undefined, 2)).toEqual({ kind: 'none' })
    fc.assert(
      fc.property(arbitraryHistory, fc.integer({ min: 1, max: 9 }), ({ states }, here) => {
        for (const state of states) {
          if (state?.phase !== 'moved') expect(leadOf(state, here)).toEqual({ kind: 'none' })
        }
      })
    )
  })
})

describe('the first value of a job at a witness where it arrived', () => {
  test('may always be the landing, whose lease counts from then on', () => {
    fc.assert(
      fc.property(fc.boolean(), anyWait, (isLeased, waitedMs) => {
        const landing = landed(isLeased)
        expect(problem(landing, landing, waitedMs)).toBeUndefined()
      })
    )
  })

  test('is no other one that is not after the landing', () => {
    fc.assert(
      fc.property(fc.nat(leased.version), anyWait, (version, waitedMs) => {
        const other = { ...leased, version, prevHash: 'other' }
        expect(problem(leased, other, waitedMs)).toEqual({ kind: 'another' })
      })
    )
  })

  test('may be what the holder made of its lease, at any time', () => {
    const own = fc.constantFrom(
      [complete('peerA', 1, 'one')],
      [release('peerA', 1, 'one')],
      [release('peerA', 1, 'one'), claim('peerB', 'two')],
      [reaffirm('peerA', 1, 'one', 'boot-peerA')],
      [adopt('peerA', 1, 'one', 1)],
      [cancel(), complete('peerA', 1, 'one')]
    )
    fc.assert(
      fc.property(own, anyWait, (ops, waitedMs) => {
        expect(problem(leased, made(leased, ...ops), waitedMs)).toBeUndefined()
      })
    )
  })

  test('does not end its lease by the will of another before a take-over time has passed', () => {
    const foreign = fc.constantFrom(
      [claim('peerB', 'two')],
      [claim('peerB', 'two'), complete('peerB', 2, 'two')],
      [cancel(), claim('peerB', 'two')]
    )
    fc.assert(
      fc.property(foreign, anyWait, (ops, waitedMs) => {
        const leftMs = TAKE_OVER_MS - waitedMs
        const expected = leftMs > 0 ? { kind: 'alive', leftMs } : undefined
        expect(problem(leased, made(leased, ...ops), waitedMs)).toEqual(expected)
      })
    )
  })

  test('waits for nothing where the job came without a lease', () => {
    const ops = fc.constantFrom([claim('peerB', 'two')], [cancel()], [fail('never_matched')])
    fc.assert(
      fc.property(ops, anyWait, (list, waitedMs) => {
        const queued = landed(false)
        expect(problem(queued, made(queued, ...list), waitedMs)).toBeUndefined()
      })
    )
  })
})
