import fc from 'fast-check'
import { expect, test } from 'vitest'
import { backoffMaxMs, backoffMs } from '../../../protocol/core/backoff.ts'

test('the wait doubles from 50 ms up to two seconds', () => {
  const waits = Array.from({ length: 8 }, (_, attempt) => backoffMaxMs(attempt))
  expect(waits).toEqual([50, 100, 200, 400, 800, 1_600, 2_000, 2_000])
})

test('another range has its own first and longest wait', () => {
  const range = { firstMs: 250, maxMs: 15_000 }
  expect(backoffMaxMs(0, range)).toBe(250)
  expect(backoffMaxMs(100, range)).toBe(15_000)
})

test('any attempt waits somewhere between nothing and its maximum', () => {
  const units = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  fc.assert(
    fc.property(fc.nat(1_000_000), units, (attempt, unit) => {
      const ms = backoffMs(attempt, unit)
      expect(ms).toBeGreaterThanOrEqual(0)
      expect(ms).toBeLessThanOrEqual(backoffMaxMs(attempt))
      expect(backoffMaxMs(attempt)).toBeLessThanOrEqual(2_000)
    })
  )
})
