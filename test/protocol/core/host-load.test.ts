import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type HostLoad, loadBreach } from '../../../protocol/core/host-load.ts'

const GIB = 2 ** 30
const load = (average: number, availableGib = 32): HostLoad => {
  return { average, cores: 4, availableBytes: availableGib * GIB, totalBytes: 64 * GIB }
}
const LIMITS = { perCore: 0.5, freeMemoryBytes: 16 * GIB }

test('a host is closed above its load, and opens well below it', () => {
  expect(loadBreach(LIMITS, load(2), false)).toBeUndefined()
  expect(loadBreach(LIMITS, load(2.1), false)).toBe('average')
  expect(loadBreach(LIMITS, load(1.7), true)).toBe('average')
  expect(loadBreach(LIMITS, load(1.6), true)).toBeUndefined()
})

test('a host is closed below its free memory, and opens well above it', () => {
  expect(loadBreach(LIMITS, load(0, 16), false)).toBeUndefined()
  expect(loadBreach(LIMITS, load(0, 15.9), false)).toBe('memory')
  expect(loadBreach(LIMITS, load(0, 19.9), true)).toBe('memory')
  expect(loadBreach(LIMITS, load(0, 20), true)).toBeUndefined()
})

test('a limit that is not named limits nothing', () => {
  expect(loadBreach({ perCore: 1, freeMemoryBytes: undefined }, load(0, 0), true)).toBeUndefined()
  expect(loadBreach({ perCore: undefined, freeMemoryBytes: 1 }, load(1e6), true)).toBeUndefined()
})

test('an idle host opens again, whatever its limits, as long as it has that much memory', () => {
  const amounts = fc.integer({ min: 1, max: 64 })
  fc.assert(
    fc.property(fc.double({ min: 0.01, max: 64, noNaN: true }), amounts, (perCore, freeGib) => {
      const limits = { perCore, freeMemoryBytes: freeGib * GIB }
      expect(loadBreach(limits, load(0, 64), true)).toBeUndefined()
    })
  )
})

test('a host is closed where processes wait for memory, and where nobody counts whether they do', () => {
  const limits = { perCore: undefined, freeMemoryBytes: undefined, memoryPressure: 10 }
  const pressed = (memoryPressure: number | undefined) => ({ ...load(0), memoryPressure })
  expect(loadBreach(limits, pressed(10), false)).toBeUndefined()
  expect(loadBreach(limits, pressed(10.1), false)).toBe('pressure')
  expect(loadBreach(limits, pressed(8.1), true)).toBe('pressure')
  expect(loadBreach(limits, pressed(8), true)).toBeUndefined()
  expect(loadBreach(limits, pressed(undefined), false)).toBe('pressure')
  expect(loadBreach(LIMITS, pressed(100), false)).toBeUndefined()
})

test('a host is closed while too few processes are left, and opens with some more', () => {
  const limits = { perCore: undefined, freeMemoryBytes: undefined, sparePids: true }
  const breach = (used: number, max: number, wasClosed = false) => {
    return loadBreach(limits, { ...load(0), pids: { used, max } }, wasClosed)
  }
  expect(breach(32_768 - 5_120, 32_768)).toBeUndefined()
  expect(breach(32_768 - 5_119, 32_768)).toBe('pids')
  expect(breach(32_768 - 6_399, 32_768, true)).toBe('pids')
  expect(breach(32_768 - 6_400, 32_768, true)).toBeUndefined()
  // A quarter of a low limit, so that a small host can open at all.
  expect([breach(3_000, 4_000), breach(3_001, 4_000)]).toEqual([undefined, 'pids'])
  // Who does not say it has no limit, and neither has who is not asked.
  expect(loadBreach(limits, load(0), false)).toBeUndefined()
  const full = { ...load(0), pids: { used: 100, max: 100 } }
  expect(loadBreach({ ...limits, sparePids: false }, full, false)).toBeUndefined()
})
