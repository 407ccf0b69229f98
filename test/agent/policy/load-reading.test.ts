import { expect, test } from 'vitest'
import { memoryOf, pressureOf, readLoad } from '../../../agent/policy/load-reading.ts'

test('memory is what could be had without swapping', () => {
  const text = 'MemTotal:       65843200 kB\nMemFree:         1024 kB\nMemAvailable:    2048 kB\n'
  expect(memoryOf(text)).toEqual({ availableBytes: 2_097_152, totalBytes: 65_843_200 * 1_024 })
})

test('a kernel that does not say it is no idle host', () => {
  expect(() => memoryOf('MemTotal: 1 kB\n')).toThrow('/proc/meminfo has no MemAvailable')
})

test('this host has a load', () => {
  const load = readLoad()
  expect(load.average).toBeGreaterThanOrEqual(0)
  expect(load.cores).toBeGreaterThan(0)
  expect(load.availableBytes).toBeGreaterThan(0)
  expect(load.availableBytes).toBeLessThanOrEqual(load.totalBytes)
})

test('pressure is how long some process waited, of the last ten seconds', () => {
  const some = 'some avg10=12.34 avg60=3.00 avg300=1.00 total=3572060\n'
  const full = 'full avg10=5.00 avg60=0.00 avg300=0.00 total=1183407\n'
  expect(pressureOf(some + full)).toBe(12.34)
  for (const text of [undefined, '', full, 'some avg10=x '])
    expect(pressureOf(text)).toBeUndefined()
})
