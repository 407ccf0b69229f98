import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  entriesFrom,
  firstPlannedMs,
  nameOf,
  plannedBy
} from '../../../gateway/schedule/planned.ts'
import { SCHEDULE_LATE_MS_MAX } from '../../../protocol/core/schedule-limits.ts'
import { nextOf } from '../../../protocol/pipeline/cron.ts'

const MINUTE = 60_000
const NOON = Date.parse('2027-01-15T12:00:00Z')
const DAILY = '0 12 * * *'

test('a minute is due when it comes, and not before', () => {
  const entry = { cron: DAILY, afterMs: NOON - 10 * MINUTE }

  expect(plannedBy(entry, NOON - 1)).toEqual({ runMs: undefined, missedMs: undefined })
  expect(plannedBy(entry, NOON)).toEqual({ runMs: NOON, missedMs: undefined })
})

test('a minute that was missed is run up to the limit, and told of after it', () => {
  const entry = { cron: DAILY, afterMs: NOON - 10 * MINUTE }
  const lastMs = NOON + SCHEDULE_LATE_MS_MAX

  expect(plannedBy(entry, lastMs)).toEqual({ runMs: NOON, missedMs: undefined })
  expect(plannedBy(entry, lastMs + 1)).toEqual({ runMs: undefined, missedMs: NOON })
})

test('of a long time away there is one run, and the first missed minute is told', () => {
  const weekMs = 7 * 24 * 60 * MINUTE
  const entry = { cron: '*/5 * * * *', afterMs: NOON - weekMs }

  expect(plannedBy(entry, NOON + 30_000)).toEqual({
    runMs: NOON,
    missedMs: NOON - weekMs + 5 * MINUTE
  })
})

test('whatever the time away, what is run is one planned minute, within the limit, never again', () => {
  const crons = fc.constantFrom('* * * * *', '*/7 * * * *', '17 3 * * 1-5', '30 12 15 * *', DAILY)
  const times = fc.integer({ min: NOON - 40 * 86_400_000, max: NOON })
  fc.assert(
    fc.property(
      crons,
      times,
      fc.integer({ min: 0, max: 3 * 86_400_000 }),
      (cron, afterMs, away) => {
        const nowMs = afterMs + away
        const { runMs, missedMs } = plannedBy({ cron, afterMs }, nowMs)
        const firstMs = nextOf(cron, afterMs)
        expect(runMs === undefined && missedMs === undefined).toBe(firstMs > nowMs)
        if (missedMs !== undefined) expect(missedMs).toBe(firstMs)
        if (runMs === undefined) return
        expect(nextOf(cron, runMs - 1)).toBe(runMs)
        expect(runMs).toBeGreaterThan(afterMs)
        expect(runMs).toBeLessThanOrEqual(nowMs)
        expect(nowMs - runMs).toBeLessThanOrEqual(SCHEDULE_LATE_MS_MAX)
        expect(plannedBy({ cron, afterMs: runMs }, nowMs).runMs).toBeUndefined()
      }
    )
  )
})

test('a line that is new begins now, one that was there goes on where it was', () => {
  const before = [{ cron: DAILY, branch: undefined, afterMs: 1 }]
  const file = [
    { cron: DAILY, branch: undefined },
    { cron: DAILY, branch: 'next' }
  ]

  const afters = entriesFrom(file, before, NOON).map(({ afterMs }) => afterMs)
  expect(afters).toEqual([1, NOON])
})

test('an entry that a clock set back finds in its future is planned from now on', () => {
  const entry = { cron: DAILY, afterMs: NOON + 365 * 86_400_000 }

  expect(firstPlannedMs([entry], NOON - 1)).toBe(NOON)
  expect(plannedBy(entry, NOON + 1).runMs).toBeUndefined()
})

test('two minutes, two lines and two branches have names apart', () => {
  const ref = 'refs/heads/main'
  const names = [
    nameOf(DAILY, ref, NOON),
    nameOf(DAILY, ref, NOON + MINUTE),
    nameOf('* * * * *', ref, NOON),
    nameOf(DAILY, 'refs/heads/next', NOON)
  ]

  expect(new Set(names).size).toBe(4)
  expect(nameOf(DAILY, ref, NOON)).toMatch(/^2027-01-15T12:00Z [0-9a-f]{16}$/)
})
