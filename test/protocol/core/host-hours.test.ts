import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  dayOf,
  formatLocalTime,
  type HostHours,
  isWithin,
  type LocalTime,
  nextBegin,
  parseHours
} from '../../../protocol/core/host-hours.ts'

const WEEK_MINUTES = 7 * 1_440

function hoursOf(text: string): HostHours {
  const parsed = parseHours(text)
  if (parsed.kind !== 'hours') throw new Error(parsed.problem)
  return parsed.hours
}

/** `Mon 20:00` */
function at(text: string): LocalTime {
  const [day = '', time = ''] = text.split(' ')
  const [hour = 0, minute = 0] = time.split(':').map(Number)
  return { day: dayOf(day) ?? Number.NaN, minute: hour * 60 + minute }
}

test.each([
  ['Mon-Fri 20:00-06:00', 'Mon 20:00', true],
  ['Mon-Fri 20:00-06:00', 'Mon 19:59', false],
  ['Mon-Fri 20:00-06:00', 'Sat 05:59', true],
  ['Mon-Fri 20:00-06:00', 'Sat 06:00', false],
  ['Mon-Fri 20:00-06:00', 'Sat 20:00', false],
  ['Mon-Fri 20:00-06:00', 'Mon 03:00', false],
  ['Sun 22:00-02:00', 'Mon 01:59', true],
  ['Sat-Mon 08:00-09:00', 'Sun 08:30', true],
  ['Sat-Mon 08:00-09:00', 'Tue 08:30', false],
  ['Tue,Thu-Fri 08:00-09:00', 'Fri 08:00', true],
  ['Tue,Thu-Fri 08:00-09:00', 'Wed 08:00', false],
  ['00:00-24:00', 'Wed 23:59', true],
  ['Wed 00:00-24:00', 'Thu 00:00', false],
  ['23:59-00:00', 'Sun 23:59', true],
  ['23:59-00:00', 'Mon 00:00', false]
])('%s has %s within: %s', (text, time, expected) => {
  expect(isWithin([hoursOf(text)], at(time))).toBe(expected)
})

test.each([
  ['20:00', 'is not like'],
  ['Mon 8:00-09:00', 'is not like'],
  ['mon 08:00-09:00', 'is not like'],
  ['Mon-Fri-Sun 08:00-09:00', 'is not like'],
  ['Mon 08:00-09:00 UTC', 'is not like'],
  ['08:60-09:00', 'minute above 59'],
  ['24:00-06:00', 'begins after 23:59'],
  ['20:00-24:01', 'ends after 24:00'],
  ['20:00-99:00', 'ends after 24:00'],
  ['08:00-08:00', 'begins when it ends']
])('%s is refused: it %s', (text, problem) => {
  const parsed = parseHours(text)
  expect(parsed.kind === 'unusable' && parsed.problem).toContain(problem)
})

test('the next begin is told by its day', () => {
  const hours = ['Mon-Fri 20:00-06:00', 'Sat 12:00-13:00'].map(hoursOf)
  expect(nextBegin(hours, at('Fri 19:00'))).toEqual(at('Fri 20:00'))
  expect(nextBegin(hours, at('Sat 07:00'))).toEqual(at('Sat 12:00'))
  expect(nextBegin(hours, at('Sat 14:00'))).toEqual(at('Mon 20:00'))
  expect(nextBegin([], at('Sat 14:00'))).toBeUndefined()
  expect(formatLocalTime(at('Mon 20:05'))).toBe('Mon 20:05')
})

const minutes = fc.integer({ min: 0, max: WEEK_MINUTES - 1 })
const local = (minute: number): LocalTime => {
  return { day: Math.floor(minute / 1_440), minute: minute % 1_440 }
}
const hours: fc.Arbitrary<HostHours> = fc
  .record({
    days: fc.subarray([0, 1, 2, 3, 4, 5, 6], { minLength: 1 }),
    from: fc.integer({ min: 0, max: 1_439 }),
    to: fc.integer({ min: 0, max: 1_440 })
  })
  .filter(({ from, to }) => from !== to)

/** The same by counting minutes from each begin: slow, and plain to read. */
function minutesWithin(list: readonly HostHours[]): ReadonlySet<number> {
  const within = new Set<number>()
  for (const { days, from, to } of list) {
    for (const day of days) {
      const end = to > from ? to : to + 1_440
      for (let m = from; m < end; m += 1) within.add((day * 1_440 + m) % WEEK_MINUTES)
    }
  }
  return within
}

test('hours hold exactly the minutes from each begin to its end, over midnight and the week', () => {
  fc.assert(
    fc.property(fc.array(hours, { maxLength: 3 }), fc.array(minutes), (list, asked) => {
      const within = minutesWithin(list)
      for (const minute of asked) {
        expect(isWithin(list, local(minute))).toBe(within.has(minute))
      }
    }),
    { numRuns: 60 }
  )
})

test('from a closed minute on, the first open one is the next begin', () => {
  fc.assert(
    fc.property(fc.array(hours, { minLength: 1, maxLength: 3 }), minutes, (list, from) => {
      const within = minutesWithin(list)
      fc.pre(!within.has(from))
      let minute = from
      while (!within.has(minute)) minute = (minute + 1) % WEEK_MINUTES
      expect(nextBegin(list, local(from))).toEqual(local(minute))
    }),
    { numRuns: 60 }
  )
})
