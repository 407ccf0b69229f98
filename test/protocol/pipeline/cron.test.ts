import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cronProblem, nextOf } from '../../../protocol/pipeline/cron.ts'

const MINUTE_MS = 60_000
const at = (text: string): number => Date.parse(`${text}Z`)
const next = (cron: string, after: string): string =>
  new Date(nextOf(cron, at(after))).toISOString().slice(0, 16)

describe('the next time of', () => {
  test.each([
    ['* * * * *', '2026-01-01T00:00:00', '2026-01-01T00:01'],
    ['* * * * *', '2026-01-01T00:00:59.999', '2026-01-01T00:01'],
    ['17 3 * * *', '2026-01-01T03:16:59', '2026-01-01T03:17'],
    ['17 3 * * *', '2026-01-01T03:17:00', '2026-01-02T03:17'],
    ['*/15 0-1,23 * * *', '2026-01-01T01:45:00', '2026-01-01T23:00'],
    ['5/20 * * * *', '2026-01-01T00:06:00', '2026-01-01T00:25'],
    ['0 0 29 2 *', '2026-01-01T00:00:00', '2028-02-29T00:00'],
    ['0 0 29 2 *', '2096-03-01T00:00:00', '2104-02-29T00:00'],
    ['0 0 31 * *', '2026-01-31T00:00:00', '2026-03-31T00:00'],
    ['0 0 * * sun', '2026-01-01T00:00:00', '2026-01-04T00:00'],
    ['0 0 * * 7', '2026-01-01T00:00:00', '2026-01-04T00:00'],
    ['0 0 * * 5-7', '2026-01-03T00:00:00', '2026-01-04T00:00'],
    ['0 0 * * 1/2', '2026-01-02T00:00:00', '2026-01-05T00:00'],
    ['0 0 * FEB-Mar Mon', '2026-01-01T00:00:00', '2026-02-02T00:00'],
    ['0 0 13 * 5', '2026-01-01T00:00:00', '2026-01-02T00:00'],
    ['0 0 */13 * 5', '2026-01-01T00:00:00', '2026-02-27T00:00'],
    ['0 12 1 1 *', '1969-06-01T00:00:00', '1970-01-01T12:00']
  ])('%s after %s is %s', (cron, after, expected) => {
    expect(cronProblem(cron)).toBeUndefined()
    expect(next(cron, after)).toBe(expected)
  })
})

test.each([
  ['', 'has 1 fields: write minute, hour, day, month and weekday'],
  ['* * * *', 'has 4 fields'],
  ['0 * * * * *', 'has 6 fields'],
  ['@daily', 'is a short form: write five fields, as in 17 3 * * *'],
  ['60 * * * *', 'has "60" as its minute: 0 to 59 are allowed'],
  ['* 24 * * *', 'has "24" as its hour: 0 to 23'],
  ['* * 0 * *', 'has "0" as its day: 1 to 31'],
  ['* * * 13 *', 'has "13" as its month: 1 to 12'],
  ['* * * * 8', 'has "8" as its weekday: 0 to 7'],
  ['* * * * foo', 'has "foo" as its weekday: 0 to 7'],
  ['mon * * * *', 'has "mon" as its minute'],
  ['5-1 * * * *', 'has "5-1" as its minute: it begins after its end'],
  ['*/0 * * * *', 'has a step of 0 in its minute: 1 to 59 are allowed'],
  ['1,,2 * * * *', 'has "" as its minute: write it as in *, 0, 1-5 or */2'],
  ['1-2-3 * * * *', 'has "1-2-3" as its minute: write it'],
  ['? * * * *', 'has "?" as its minute: write it'],
  ['0 0 31 2 *', 'never comes: no month that it names has such a day'],
  ['0 0 31 4,6,9,11 *', 'never comes'],
  ['0 0 30 2 */2', 'never comes'],
  ['1'.repeat(300), 'is too long: at most 256 characters']
])('the cron expression %j is refused: %s', (cron, problem) => {
  expect(cronProblem(cron)).toContain(problem)
  expect(() => nextOf(cron, 0)).toThrow('cron expression')
})

test('a day that only its weekday makes possible is taken', () => {
  expect(next('0 0 31 2 1', '2026-02-01T00:00:00')).toBe('2026-02-02T00:00')
})

const subset = (least: number, most: number, size: number) =>
  fc.uniqueArray(fc.integer({ min: least, max: most }), { minLength: 1, maxLength: size })
const maybe = (least: number, most: number, size: number) =>
  fc.option(subset(least, most, size), { nil: undefined })

const crons = fc.record({
  minute: maybe(0, 59, 3),
  hour: maybe(0, 23, 3),
  day: maybe(1, 28, 4),
  month: fc.option(fc.constantFrom([1, 2, 3], [1, 3, 5, 7, 9, 11]), { nil: undefined }),
  weekday: maybe(0, 6, 3)
})
type Wanted = typeof crons extends fc.Arbitrary<infer Value> ? Value : never

/** True by the words of the documents, one minute at a time; no part of it is the parser's. */
function isMeant({ minute, hour, day, month, weekday }: Wanted, date: Date): boolean {
  const has = (list: readonly number[] | undefined, value: number) => list?.includes(value) ?? true
  const isTime = has(minute, date.getUTCMinutes()) && has(hour, date.getUTCHours())
  const byDate = has(day, date.getUTCDate())
  const byWeekday = has(weekday, date.getUTCDay())
  const both = day !== undefined && weekday !== undefined
  const isDay = both ? byDate || byWeekday : byDate && byWeekday
  return isTime && isDay && has(month, date.getUTCMonth() + 1)
}

test('the next time is the first minute afterwards that is meant, for any expression', () => {
  const times = fc.integer({ min: at('1999-12-01T00:00:00'), max: at('2040-01-01T00:00:00') })
  fc.assert(
    fc.property(crons, times, (wanted, afterMs) => {
      const fields = [wanted.minute, wanted.hour, wanted.day, wanted.month, wanted.weekday]
      const cron = fields.map((list) => list?.join(',') ?? '*').join(' ')
      const found = nextOf(cron, afterMs)

      expect(found).toBeGreaterThan(afterMs)
      expect(isMeant(wanted, new Date(found))).toBe(true)
      expect(found % MINUTE_MS).toBe(0)
      // Far ahead only the last days are walked: a year of minutes for each would take minutes.
      const fromMs = Math.max(afterMs + 1, found - 40 * 1_440 * MINUTE_MS)
      let walked = Math.ceil(fromMs / MINUTE_MS) * MINUTE_MS
      while (!isMeant(wanted, new Date(walked))) walked += MINUTE_MS
      expect(walked).toBe(found)
    }),
    { numRuns: 150 }
  )
})

test('any text is refused or has a next time', () => {
  const words = fc.stringMatching(/^[-*,/0-9a-z]{1,8}$/)
  const texts = fc.array(words, { minLength: 4, maxLength: 6 }).map((list) => list.join(' '))
  fc.assert(
    fc.property(texts, (text) => {
      if (cronProblem(text) === undefined) expect(nextOf(text, 0)).toBeGreaterThan(0)
    }),
    { numRuns: 1_000 }
  )
})
