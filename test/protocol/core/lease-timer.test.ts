import { describe, expect, test } from 'vitest'
import {
  leasedJob,
  leaseView,
  remainingMs,
  sameLeaseKey,
  takeOverMsOf
} from '../../../protocol/core/lease-timer.ts'
import { cancel, claim, create, jobAfter, release } from '../../support/job-ops.ts'

const leased = jobAfter(create(), claim('peerA', 'c1'))
const timer = { renewedAtMs: 10_000, fenced: false, stage: undefined }

describe('the time of a lease at a witness', () => {
  test('follows the lease, not the roster of the witness', () => {
    expect(takeOverMsOf(30_000)).toBe(32_000)
    expect(takeOverMsOf(3_000)).toBe(3_500)
  })

  test('of a length of no profile is no shorter than 4.11 asks for', () => {
    for (const leaseMs of [1, 10_000, 60_000]) {
      expect(takeOverMsOf(leaseMs)).toBeGreaterThanOrEqual((leaseMs * 1.01) / 0.99 + 1_000)
    }
  })

  test.each([
    [10_000, 3_500],
    [13_499, 1],
    [13_500, 0],
    [99_000, 0]
  ])('at %i leaves %i ms', (nowMs, leftMs) => {
    expect(remainingMs(leased, timer, nowMs)).toBe(leftMs)
    expect(leaseView(leased, timer, nowMs)).toEqual({
      epoch: 1,
      remainingMs: leftMs,
      stage: undefined
    })
  })

  test('is nothing where nothing is leased', () => {
    const queued = jobAfter(create(), claim('peerA', 'c1'), release('peerA', 1, 'c1'))

    expect(remainingMs(queued, timer, 10_000)).toBe(0)
    expect(leaseView(queued, timer, 10_000)).toBeUndefined()
    expect(leaseView(undefined, timer, 10_000)).toBeUndefined()
    expect(leasedJob(queued)).toBeUndefined()
  })
})

describe('two values are leased by the same claim', () => {
  test('when only something else changed', () => {
    const create1 = create()
    const claim1 = claim('peerA', 'c1')

    expect(sameLeaseKey(jobAfter(create1, claim1), jobAfter(create1, claim1, cancel()))).toBe(true)
  })

  test.each([
    ['another claim of the same epoch', jobAfter(create(), claim('peerA', 'c2'))],
    ['another holder', jobAfter(create(), claim('peerB', 'c1'))],
    ['a later epoch', jobAfter(create(), claim('peerB', 'c0'), claim('peerA', 'c1'))],
    ['no lease', jobAfter(create())],
    ['no value', undefined]
  ])('but not with %s', (_name, other) => {
    expect(sameLeaseKey(leased, other)).toBe(false)
  })
})
