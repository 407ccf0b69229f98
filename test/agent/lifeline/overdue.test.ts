import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Box,
  isDue,
  judge,
  type Leases,
  type Sight,
  spentLeases
} from '../../../agent/lifeline/overdue.ts'
import { LEASE_PROFILES } from '../../../protocol/core/lease-profile.ts'
import {
  GUARD_AHEAD_MS_MAX,
  GUARDIAN_AFTER_MS,
  GUARDIAN_GRACE_MS
} from '../../../protocol/core/limits.ts'

const NOW = 1_000_000
const box: Box = { id: 'c1', lease: 'job.0-claim' }
const at = (leases: Leases, askedMs = NOW, seenMs = askedMs): Sight => {
  return { leases, askedMs, seenMs }
}
const NOTHING: ReadonlyMap<string, number> = new Map()

function verdict(deadlineMs: number | undefined, lackingSinceMs?: number) {
  const leases = new Map([[box.lease, deadlineMs]])
  const lacking = new Map(lackingSinceMs === undefined ? [] : [[box.id, lackingSinceMs]])
  return judge([box], at(leases), lacking)
}

describe('a container of mine', () => {
  test.each([
    ['has a lease to run', NOW + 1, 'lives'],
    ['is left to its guard right at its deadline', NOW, 'lives'],
    ['is left to its guard for a moment more', NOW - GUARDIAN_AFTER_MS + 1, 'lives'],
    ['is over after that moment', NOW - GUARDIAN_AFTER_MS, 'deadline_passed'],
    ['is over long after its deadline', 1, 'deadline_passed'],
    ['has the longest lease that there is', NOW + GUARD_AHEAD_MS_MAX, 'lives'],
    ['is over with a longer one', NOW + GUARD_AHEAD_MS_MAX + 1, 'deadline_too_far'],
    ['is over with one that never comes', Number.MAX_SAFE_INTEGER, 'deadline_too_far']
  ])('%s', (_claim, deadlineMs, expected) => {
    const [over] = verdict(deadlineMs).over

    expect(over?.reason ?? 'lives').toBe(expected)
  })

  test.each([
    ['for the first time', undefined, 'lives'],
    ['within the grace', NOW - GUARDIAN_GRACE_MS + 1, 'lives'],
    ['beyond the grace', NOW - GUARDIAN_GRACE_MS, 'deadline_missing']
  ])('without a readable deadline %s', (_claim, sinceMs, expected) => {
    expect(verdict(undefined, sinceMs).over[0]?.reason ?? 'lives').toBe(expected)
    const noFolder = judge([box], at(new Map()), new Map(sinceMs ? [[box.id, sinceMs]] : []))
    expect(noFolder.over[0]?.reason ?? 'lives').toBe(expected)
  })

  test('starts its grace anew once its deadline was read in between', () => {
    const first = verdict(undefined, NOW - GUARDIAN_GRACE_MS + 1)
    const read = judge([box], at(new Map([[box.lease, NOW + 9]])), first.lacking)
    const again = judge([box], at(new Map()), read.lacking)

    expect(first.lacking.get(box.id)).toBe(NOW - GUARDIAN_GRACE_MS + 1)
    expect(read.lacking.size).toBe(0)
    expect([...again.lacking.values()]).toEqual([NOW])
  })

  test('goes by its own claim, never by another one of its job', () => {
    const old: Box = { id: 'c0', lease: 'job.0-older' }
    const leases = new Map([
      [old.lease, NOW - 10_000],
      [box.lease, NOW + 10_000]
    ])

    const { over } = judge([old, box], at(leases), NOTHING)

    expect(over.map((one) => one.box.id)).toEqual(['c0'])
  })
})

describe('a guardian that stood still while it read', () => {
  test('does not take the deadline of before for one that has passed', () => {
    const leases = new Map([[box.lease, NOW + 2_200]])

    expect(judge([box], at(leases, NOW, NOW + 60_000), NOTHING).over).toEqual([])
  })

  test('does not take a renewed deadline for one that is too far', () => {
    const leases = new Map([[box.lease, NOW + 60_000 + GUARD_AHEAD_MS_MAX]])

    expect(judge([box], at(leases, NOW, NOW + 60_000), NOTHING).over).toEqual([])
  })

  test('does not count the time as time without a deadline', () => {
    const first = judge([box], at(new Map(), NOW, NOW + 60_000), NOTHING)
    const second = judge([box], at(new Map(), NOW + 60_001), first.lacking)

    expect(second.over).toEqual([])
  })
})

test('the guardian acts within half of the shortest kill budget', () => {
  const budgets = Object.values(LEASE_PROFILES).map(({ killBudgetMs }) => killBudgetMs)

  expect(GUARDIAN_AFTER_MS).toBeLessThan(Math.min(...budgets) / 2)
})

describe('whatever the leases are', () => {
  const instant = fc.integer({ min: 0, max: 4 * GUARD_AHEAD_MS_MAX })
  const leases = fc
    .array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.option(instant, { nil: undefined })))
    .map((rows) => new Map(rows.map(([index, deadline]) => [`lease-${index}`, deadline])))
  const boxes = fc
    .uniqueArray(fc.integer({ min: 0, max: 12 }))
    .map((ids) => ids.map((id) => ({ id: `box-${id}`, lease: `lease-${id}` })))

  test('a container is judged by its own lease alone', () => {
    fc.assert(
      fc.property(boxes, leases, instant, (all, deadlines, nowMs) => {
        const together = judge(all, at(deadlines, nowMs), NOTHING).over
        const alone = all.flatMap((one) => judge([one], at(deadlines, nowMs), NOTHING).over)

        expect(together).toEqual(alone)
      })
    )
  })

  test('nothing changes before the instant that is named, and something does at it', () => {
    fc.assert(
      fc.property(boxes, leases, instant, fc.nat(5_000), (all, deadlines, nowMs, laterMs) => {
        const first = judge(all, at(deadlines, nowMs), NOTHING)
        const overAt = (ms: number) => judge(all, at(deadlines, ms), first.lacking).over.length
        // A deadline that is too far comes near as time goes by: it is over by then.
        fc.pre(first.over.every(({ reason }) => reason !== 'deadline_too_far'))

        if (nowMs + laterMs < first.nextMs) expect(overAt(nowMs + laterMs)).toBe(first.over.length)
        if (first.nextMs < Number.POSITIVE_INFINITY) {
          expect(overAt(first.nextMs)).toBeGreaterThan(first.over.length)
        }
      })
    )
  })

  test('a folder is spent only when it is due and no container has it', () => {
    fc.assert(
      fc.property(boxes, leases, instant, (all, deadlines, nowMs) => {
        const used = new Set(all.map(({ lease }) => lease))
        const spent = spentLeases(all, deadlines, nowMs)

        expect(spent.every((lease) => !used.has(lease))).toBe(true)
        expect(spent.every((lease) => isDue(deadlines.get(lease), nowMs))).toBe(true)
      })
    )
  })
})
