import { describe, expect, test } from 'vitest'
import { permits } from '../../../protocol/core/guard.ts'
import type { JobState } from '../../../protocol/core/job.ts'
import {
  adopt,
  cancel,
  claim,
  complete,
  create,
  fail,
  jobAfter,
  release
} from '../../support/job-ops.ts'

const create3 = create()
const create1 = create(1)
const claimA = claim('peerA', 'c1')
const held = jobAfter(create3, claimA)
const heldLast = jobAfter(create1, claimA)
const twoLives = [claim('peerB', 'c2'), release('peerB', 2, 'c2'), claim('peerC', 'c3')]
const flagged = jobAfter(create3, claimA, cancel())

/** The lease has a millisecond left, and may not be chosen. */
const ALIVE = { leftMs: 1, confirmed: false, confirmedBoot: false }
/** Its holder renewed it here, and only a holder of a chosen lease does that. */
const CONFIRMED = { leftMs: 1, confirmed: true, confirmedBoot: true }
const OVER = { leftMs: 0, confirmed: true, confirmedBoot: true }

describe('while the lease is alive a witness accepts', () => {
  const allowed: readonly (readonly [string, JobState, JobState])[] = [
    ['the same value again', held, held],
    ['the cancel flag', held, jobAfter(create3, claimA, cancel())],
    ['the report of its holder', held, jobAfter(create3, claimA, complete('peerA', 1, 'c1'))],
    ['the release of its holder', held, jobAfter(create3, claimA, release('peerA', 1, 'c1'))],
    [
      'the next lease, when the history shows that the holder released',
      held,
      jobAfter(create3, claimA, release('peerA', 1, 'c1'), claim('peerB', 'c2'))
    ],
    [
      'a cancel of what its holder released',
      held,
      jobAfter(create3, claimA, release('peerA', 1, 'c1'), cancel())
    ]
  ]

  test.each(allowed)('%s', (_name, known, value) => {
    expect(permits(known, value, ALIVE)).toBe(true)
    expect(permits(known, value, CONFIRMED)).toBe(true)
  })
})

describe('only while the lease may be unchosen a witness accepts', () => {
  const { lease } = held
  const cloned = { ...held, lease: lease && { ...lease, boot: 'clone' } }
  const others: readonly (readonly [string, JobState, JobState])[] = [
    ['a job that nobody has claimed', held, jobAfter(create3)],
    ['another claim of the same epoch', held, jobAfter(create3, claim('peerB', 'c2'))],
    [
      'another claim of the same epoch by its holder',
      held,
      jobAfter(create3, claim('peerA', 'c2'))
    ],
    ['its claim by another process of its holder', held, cloned],
    [
      'the end of another claim of the same epoch',
      held,
      jobAfter(create3, claim('peerB', 'c2'), release('peerB', 1, 'c2'))
    ],
    [
      'the end of another claim of the same epoch by its holder',
      held,
      jobAfter(create3, claim('peerA', 'c2'), complete('peerA', 1, 'c2'))
    ]
  ]

  test.each(others)('%s', (_name, known, value) => {
    expect(permits(known, value, ALIVE)).toBe(true)
    expect(permits(known, value, CONFIRMED)).toBe(false)
    expect(permits(known, value, OVER)).toBe(true)
  })
})

describe('a lease that its holder took on again after a restart', () => {
  const first = adopt('peerA', 1, 'c1', 1)
  const adopted = jobAfter(create3, claimA, first)
  const twice = jobAfter(create3, claimA, first, adopt('peerA', 1, 'c1', 2))
  const NEW_PROCESS = { leftMs: 1, confirmed: true, confirmedBoot: false }

  test('goes over to the new process at once, by its signature', () => {
    expect(permits(held, adopted, CONFIRMED)).toBe(true)
    expect(permits(adopted, twice, CONFIRMED)).toBe(true)
    expect(permits(held, jobAfter(create3, claimA, first, cancel()), CONFIRMED)).toBe(true)
  })

  test('goes back only while the new process has not renewed it', () => {
    expect(permits(adopted, held, NEW_PROCESS)).toBe(true)
    expect(permits(adopted, flagged, NEW_PROCESS)).toBe(true)
    expect(permits(adopted, held, CONFIRMED)).toBe(false)
    expect(permits(twice, adopted, CONFIRMED)).toBe(false)
  })

  test('stays known as chosen: nothing without that claim takes its place', () => {
    for (const other of [jobAfter(create3), jobAfter(create3, claim('peerB', 'c2'))]) {
      expect(permits(adopted, other, NEW_PROCESS)).toBe(false)
    }
  })
})

describe('only once the lease is over a witness accepts', () => {
  const guarded: readonly (readonly [string, JobState, JobState])[] = [
    ['a take-over', held, jobAfter(create3, claimA, claim('peerB', 'c2'))],
    ['an error', heldLast, jobAfter(create1, claimA, fail('agent_lost'))],
    ['a claim that cancels', flagged, jobAfter(create3, claimA, cancel(), claim('peerB', 'c2'))],
    [
      'a cancel of a lease that it says has run out',
      held,
      withoutEnd(jobAfter(create3, claimA, release('peerA', 1, 'c1'), cancel()))
    ],
    [
      'a later epoch after the release of another claim',
      held,
      jobAfter(create3, claim('peerB', 'c2'), release('peerB', 1, 'c2'), claim('peerC', 'c3'))
    ],
    [
      'a later epoch after the release of another claim by its holder',
      held,
      jobAfter(create3, claim('peerA', 'c2'), release('peerA', 1, 'c2'), claim('peerC', 'c3'))
    ],
    [
      'a later epoch after the release of a claim of the same id by another holder',
      held,
      jobAfter(create3, claim('peerB', 'c1'), release('peerB', 1, 'c1'), claim('peerC', 'c3'))
    ],
    [
      'a later epoch after the release of an earlier lease with the same claim id',
      { ...held, epoch: 2 },
      jobAfter(create3, claimA, release('peerA', 1, 'c1'), ...twoLives)
    ],
    [
      'what was built on a take-over',
      held,
      jobAfter(create3, claimA, claim('peerB', 'c2'), complete('peerB', 2, 'c2'))
    ]
  ]

  test.each(guarded)('%s', (_name, known, value) => {
    expect(permits(known, value, ALIVE)).toBe(false)
    expect(permits(known, value, CONFIRMED)).toBe(false)
    expect(permits(known, value, OVER)).toBe(true)
  })
})

test('nothing is guarded where nothing is leased', () => {
  expect(permits(undefined, held, CONFIRMED)).toBe(true)
  expect(permits(jobAfter(create3), held, CONFIRMED)).toBe(true)
})

/** The same, but by its history the lease ran out: what a proposer makes up to end it at once. */
function withoutEnd(job: JobState): JobState {
  const unsigned = { end: 'expired', opId: '', argsHash: '', sig: '' } as const
  return { ...job, history: job.history.map((entry) => ({ ...entry, ...unsigned })) }
}
