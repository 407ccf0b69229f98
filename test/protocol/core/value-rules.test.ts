import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JobState } from '../../../protocol/core/job.ts'
import { valueProblem } from '../../../protocol/core/value-rules.ts'
import { arbitraryHistory, DIGEST, JOB, reportOf } from '../../support/arbitrary-register.ts'
import {
  adopt,
  cancel,
  claim,
  complete,
  create,
  fail,
  jobAfter,
  reaffirm,
  release
} from '../../support/job-ops.ts'
import { plainSigner } from '../../support/plain-signer.ts'

const queued = jobAfter(create())
const leased = jobAfter(create(), claim('peerA', 'c1'))
const taken = jobAfter(create(), claim('peerA', 'c1'), claim('peerB', 'c2'))
const released = jobAfter(create(), claim('peerA', 'c1'), release('peerA', 1, 'c1'))
const completed = jobAfter(create(), claim('peerA', 'c1'), complete('peerA', 1, 'c1'))
const adopted = jobAfter(create(), claim('peerA', 'c1'), adopt('peerA', 1, 'c1', 1))
const reaffirmed = jobAfter(
  create(),
  claim('peerA', 'c1'),
  reaffirm('peerA', 1, 'c1', leased.lease?.boot ?? '')
)
const flagged = jobAfter(create(), claim('peerA', 'c1'), cancel())
/** What `flagged` was told. */
const ORDER = { by: 'user', reason: 'no longer needed' }
const errored = jobAfter(create(), fail('never_matched'))

test('every value that the rules can make is in order', () => {
  fc.assert(
    fc.property(arbitraryHistory, ({ states }) => {
      for (const state of new Set(states)) {
        if (state !== undefined) expect(valueProblem(JOB, state)).toBeUndefined()
      }
    })
  )
})

test('a value is of its own register only', () => {
  expect(valueProblem('RUN.1', queued)).toBeDefined()
  expect(valueProblem('RUN', { ...queued, register: 'RUN' })).toBeDefined()
})

describe('a value that no reducer makes is refused', () => {
  const forged: readonly (readonly [string, JobState])[] = [
    ['a cancel that frees a living lease', { ...flagged, phase: 'queued', lease: undefined }],
    ['a cancel that ends a living lease', { ...flagged, phase: 'cancelled', lease: undefined }],
    ['a claim for somebody else', withLease(leased, { holder: 'peerB' })],
    ['a claim under another claim id', withLease(leased, { claimId: 'c9' })],
    ['a claim that lasts longer than it says', withLease(leased, { leaseMs: 9_000 })],
    ['a claim that makes the job queued', { ...leased, phase: 'queued', lease: undefined }],
    ['a claim that is a stop-sign', stopped(leased)],
    ['an adoption that is a stop-sign', stopped(adopted)],
    ['a reaffirmation that is a stop-sign', stopped(reaffirmed)],
    ['a lease without an epoch', { ...leased, epoch: 0, history: [] }],
    ['an epoch that skips one', { ...leased, epoch: 2 }],
    ['a take-over without a trace', { ...taken, history: [] }],
    ['a release of another lease', ended(released, { claimId: 'c9' })],
    ['a release by somebody else', ended(released, { holder: 'peerB' })],
    ['a release with another signature', ended(released, { sig: 'forged' })],
    ['an outcome of an earlier epoch', { ...completed, outcome: reportOf(0, 'failed') }],
    ['another outcome than the state', { ...completed, outcome: reportOf(1, 'succeeded') }],
    ['an outcome that its holder did not sign', relabelled(completed, { message: 'all fine' })],
    ['a cancel with another grace', { ...flagged, cancel: { ...ORDER, graceMs: 1_000 } }],
    ['a cancel with other words', { ...flagged, cancel: { by: 'user', reason: 'other' } }],
    ['an error with other words', relabelled(errored, { message: 'other' })],
    ['an end without an outcome', { ...completed, outcome: undefined }],
    ['an outcome before the end', { ...leased, outcome: reportOf(1, 'failed') }],
    ['an error for another reason', { ...errored, outcome: reportOf(0, 'errored') }],
    ['more attempts than allowed', { ...leased, attempts: 4 }],
    ['more attempts allowed than anybody gets', { ...queued, attemptsMax: 4 }],
    ['a phase of another design', { ...completed, phase: 'skipped' }],
    ['ops that do not end with its own', { ...leased, lastOps: queued.lastOps }],
    ['a first value that claims to have one before', { ...queued, prevHash: 'x' }],
    ['a later value that claims to have none', { ...leased, prevHash: '' }],
    ['a fraction for a version', { ...leased, version: 2.5 }],
    ['another announcement than its op', { ...queued, annHash: 'other' }]
  ]

  test.each(forged)('%s', (_name, value) => {
    expect(valueProblem(JOB, value)).toBeDefined()
  })
})

test('a run is created once and has no second version', () => {
  const op = plainSigner('gateway', DIGEST).runOp('RUN', 'op', { kind: 'create', annHash: 'ann' })
  const head = { kind: 'run', register: 'RUN', phase: 'run', annHash: 'ann', op } as const
  const run = { ...head, version: 1, prevHash: '' }

  expect(valueProblem('RUN', run)).toBeUndefined()
  expect(valueProblem('RUN.0', { ...run, register: 'RUN.0' })).toBeDefined()
  expect(valueProblem('RUN', { ...run, version: 2, prevHash: 'x' })).toBeDefined()
  expect(valueProblem('RUN', { ...run, annHash: 'other' })).toBeDefined()
})

function relabelled(job: JobState, change: Partial<NonNullable<JobState['outcome']>>): JobState {
  if (job.outcome === undefined) throw new Error('not ended')
  return { ...job, outcome: { ...job.outcome, ...change } }
}

function withLease(job: JobState, change: Partial<NonNullable<JobState['lease']>>): JobState {
  if (job.lease === undefined) throw new Error('not leased')
  return { ...job, lease: { ...job.lease, ...change } }
}

function stopped(job: JobState): JobState {
  return { ...job, phase: 'moved', moved: { witnessEpoch: 1 } }
}

function ended(job: JobState, change: Partial<JobState['history'][number]>): JobState {
  return { ...job, history: job.history.map((entry) => ({ ...entry, ...change })) }
}
