import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JobState } from '../../../protocol/core/job.ts'
import {
  decideRecovery,
  type FoundContainer,
  type KeptAttempt,
  type RecoverySight,
  type RegisterSight
} from '../../../protocol/core/recovery.ts'
import { adopt, cancel, claim, complete, create, jobAfter, release } from '../../support/job-ops.ts'

const NOW_MS = 100_000
const DEADLINE_MS = NOW_MS + 9_000
const claimA = claim('peerA', 'c1')
const held = jobAfter(create(), claimA)

const RECORD: KeptAttempt = { epoch: 1, claimId: 'c1', concluded: false, resumable: true }
const RUNNING: FoundContainer = {
  epoch: 1,
  claimId: 'c1',
  state: 'running',
  deadlineMs: DEADLINE_MS
}

const chosen = (state: JobState | undefined): RegisterSight => ({ kind: 'chosen', state })

/** A running container whose lease is still this agent's; `change` says what is not so. */
function decide(change: Partial<RecoverySight>) {
  return decideRecovery({
    me: 'peerA',
    record: RECORD,
    container: RUNNING,
    register: chosen(held),
    nowMs: NOW_MS,
    ...change
  })
}

const END_RELEASE = { kind: 'end', end: 'release' }

describe('a running container is adopted', () => {
  test.each([
    ['while its lease is ours', held],
    ['with a cancel on it, to be cancelled in order', jobAfter(create(), claimA, cancel())],
    [
      'after an earlier restart that adopted it',
      jobAfter(create(), claimA, adopt('peerA', 1, 'c1', 1))
    ]
  ])('%s', (_name, state) => {
    expect(decide({ register: chosen(state) })).toEqual({
      kind: 'adopt',
      epoch: 1,
      claimId: 'c1'
    })
  })

  test('only after the register was read', () => {
    expect(decide({ register: { kind: 'unread' } })).toEqual({ kind: 'read' })
  })
})

describe('a running container is left alone', () => {
  test('while no quorum answers, until its deadline', () => {
    expect(decide({ register: { kind: 'unreachable' } })).toEqual({
      kind: 'wait',
      untilMs: DEADLINE_MS
    })
  })
})

describe('a container goes before its lease is given back', () => {
  const rows: readonly (readonly [string, Partial<RecoverySight>])[] = [
    ['that was made and never started', { container: { ...RUNNING, state: 'created' } }],
    ['that has exited, whatever its code', { container: { ...RUNNING, state: 'exited' } }],
    ['that is not there any more', { container: undefined }],
    ['of an earlier claim', { container: { ...RUNNING, claimId: 'c0' } }],
    ['of an earlier epoch', { container: { ...RUNNING, epoch: 0 } }],
    ['in which no step had begun', { record: { ...RECORD, resumable: false } }],
    ['at its deadline', { nowMs: DEADLINE_MS }],
    ['past its deadline, with nobody to ask', { nowMs: DEADLINE_MS, register: { kind: 'unread' } }],
    ['without a deadline', { container: { ...RUNNING, deadlineMs: undefined } }]
  ]

  test.each(rows)('%s', (_name, change) => {
    expect(decide(change)).toEqual(END_RELEASE)
  })
})

describe('a lease that is not ours any more ends the container', () => {
  const rows: readonly (readonly [string, JobState | undefined])[] = [
    ['taken over', jobAfter(create(), claimA, claim('peerB', 'c2'))],
    ['taken over by ourselves', jobAfter(create(), claimA, claim('peerA', 'c2'))],
    ['given back', jobAfter(create(), claimA, release('peerA', 1, 'c1'))],
    ['ended', jobAfter(create(), claimA, complete('peerA', 1, 'c1'))],
    ['another’s from the start', jobAfter(create(), claim('peerB', 'c1'))],
    ['never claimed', jobAfter(create())],
    ['never made', undefined]
  ]

  test.each(rows)('%s', (_name, state) => {
    expect(decide({ register: chosen(state) })).toEqual(END_RELEASE)
  })
})

describe('an outcome on the disk', () => {
  test.each([
    ['whose container still runs', RUNNING],
    ['whose container is gone', undefined]
  ])('%s is reported, and nothing else', (_name, container) => {
    const record = { ...RECORD, concluded: true }

    expect(decide({ record, container })).toEqual({ kind: 'end', end: 'complete' })
  })
})

test('a container without a record has no lease to end', () => {
  expect(decide({ record: undefined })).toEqual({ kind: 'end', end: 'none' })
})

test('nothing is adopted at its deadline or later, nor under another claim', () => {
  const states = fc.constantFrom(undefined, held, jobAfter(create(), claimA, claim('peerB', 'c2')))
  const sights: fc.Arbitrary<RecoverySight> = fc.record({
    me: fc.constantFrom('peerA', 'peerB'),
    record: fc.option(
      fc.record({
        epoch: fc.nat(2),
        claimId: fc.constantFrom('c1', 'c2'),
        concluded: fc.boolean(),
        resumable: fc.boolean()
      }),
      { nil: undefined }
    ),
    container: fc.option(
      fc.record({
        epoch: fc.nat(2),
        claimId: fc.constantFrom('c1', 'c2'),
        state: fc.constantFrom('created', 'running', 'exited'),
        deadlineMs: fc.option(fc.integer({ min: NOW_MS - 2, max: NOW_MS + 2 }), { nil: undefined })
      }),
      { nil: undefined }
    ),
    register: fc.oneof(
      fc.constantFrom<RegisterSight>({ kind: 'unread' }, { kind: 'unreachable' }),
      states.map(chosen)
    ),
    nowMs: fc.constant(NOW_MS)
  })

  fc.assert(
    fc.property(sights, (sight) => {
      const step = decideRecovery(sight)
      if (step.kind === 'end') return
      const { record, container, register } = sight
      expect(record).toMatchObject({ concluded: false, resumable: true })
      expect(container).toMatchObject({ state: 'running', claimId: record?.claimId })
      expect(container?.deadlineMs).toBeGreaterThan(NOW_MS)
      if (step.kind !== 'adopt') return
      const { lease, epoch } = (register.kind === 'chosen' && register.state) || {}
      expect(lease).toMatchObject({ holder: sight.me, claimId: record?.claimId })
      expect(epoch).toBe(record?.epoch)
    }),
    { numRuns: 2_000 }
  )
})
