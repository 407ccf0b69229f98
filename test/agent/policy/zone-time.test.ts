import { expect, test } from 'vitest'
import { isZone, zoneTime } from '../../../agent/policy/zone-time.ts'
import { formatLocalTime, isWithin, parseHours } from '../../../protocol/core/host-hours.ts'

const shown = (zone: string, instant: string): string =>
  formatLocalTime(zoneTime(zone)(Date.parse(instant)))

test.each([
  ['UTC', '2026-11-26T00:00:00Z', 'Thu 00:00'],
  ['Europe/Berlin', '2026-11-26T23:30:00Z', 'Fri 00:30'],
  ['Europe/Berlin', '2026-07-01T23:30:00Z', 'Thu 01:30'],
  ['America/New_York', '2026-11-26T03:05:00Z', 'Wed 22:05'],
  ['Asia/Kathmandu', '2026-11-26T00:00:00Z', 'Thu 05:45'],
  // Summer time begins at 02:00 and ends at 03:00, on Sundays.
  ['Europe/Berlin', '2026-03-29T00:59:00Z', 'Sun 01:59'],
  ['Europe/Berlin', '2026-03-29T01:00:00Z', 'Sun 03:00'],
  ['Europe/Berlin', '2026-10-25T00:59:00Z', 'Sun 02:59'],
  ['Europe/Berlin', '2026-10-25T01:00:00Z', 'Sun 02:00']
])('in %s the clock on the wall shows at %s: %s', (zone, instant, expected) => {
  expect(shown(zone, instant)).toBe(expected)
})

/** Minutes that the hours hold from one instant to another. */
function minutesWithin(text: string, from: string, to: string): number {
  const parsed = parseHours(text)
  if (parsed.kind !== 'hours') throw new Error(parsed.problem)
  const local = zoneTime('Europe/Berlin')
  let minutes = 0
  for (let at = Date.parse(from); at < Date.parse(to); at += 60_000) {
    if (isWithin([parsed.hours], local(at))) minutes += 1
  }
  return minutes
}

test('a night of seven hours has six in spring and eight in autumn, and its ends stay', () => {
  const night = (day: string, next: string): number =>
    minutesWithin('23:00-06:00', `${day}T12:00:00Z`, `${next}T12:00:00Z`)
  expect(night('2026-02-10', '2026-02-11')).toBe(7 * 60)
  expect(night('2026-03-28', '2026-03-29')).toBe(6 * 60)
  expect(night('2026-10-24', '2026-10-25')).toBe(8 * 60)
})

test('an hour that summer time skips is skipped', () => {
  const from = '2026-03-28T23:00:00Z'
  expect(minutesWithin('Sun 02:00-03:00', from, '2026-03-29T22:00:00Z')).toBe(0)
  expect(minutesWithin('Sun 02:30-03:30', from, '2026-03-29T22:00:00Z')).toBe(30)
})

test('a zone is one that the time zone data knows', () => {
  expect(['UTC', 'Europe/Berlin', 'Berlin', '', 'Mars/Base'].map(isZone)).toEqual([
    true,
    true,
    false,
    false,
    false
  ])
})
