import { describe, expect, test } from 'vitest'
import { permits } from '../../../protocol/core/guard.ts'
import type { JobState } from '../../../protocol/core/job.ts'
import { cancel, claim, complete, create, fail, jobAfter, release } from '../../support/job-ops.ts'

const create3 = create()
const create1 = create(1)
const claimA = claim('peerA', 'c1')
const held = jobAfter(create3, claimA)
const heldLast = jobAfter(create1, claimA)
const flagged = jobAfter(create3, claimA, cancel())

const ALIVE_MS = 1

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
    ['another claim of the same epoch', held, jobAfter(create3, claim('peerB', 'c2'))],
    ['a lower epoch: the lease was never chosen', held, jobAfter(create3)]
  ]

  test.each(allowed)('%s', (_name, known, value) => {
    expect(permits(known, value, ALIVE_MS)).toBe(true)
  })
})

describe('only once the lease is over a witness accepts', () => {
  const guarded: readonly (readonly [string, JobState, JobState])[] = [
    ['a take-over', held, jobAfter(create3, claimA, claim('peerB', 'c2'))],
    ['an error', heldLast, jobAfter(create1, claimA, fail('agent_lost'))],
    ['a claim that cancels', flagged, jobAfter(create3, claimA, cancel(), claim('peerB', 'c2'))],
    [
      'a later epoch after the release of another claim',
      held,
      jobAfter(create3, claim('peerB', 'c2'), release('peerB', 1, 'c2'), claim('peerC', 'c3'))
    ],
    [
      'what was built on a take-over',
      held,
      jobAfter(create3, claimA, claim('peerB', 'c2'), complete('peerB', 2, 'c2'))
    ]
  ]

  test.each(guarded)('%s', (_name, known, value) => {
    expect(permits(known, value, ALIVE_MS)).toBe(false)
    expect(permits(known, value, 0)).toBe(true)
  })
})

test('nothing is guarded where nothing is leased', () => {
  expect(permits(undefined, held, ALIVE_MS)).toBe(true)
  expect(permits(jobAfter(create3), held, ALIVE_MS)).toBe(true)
})
