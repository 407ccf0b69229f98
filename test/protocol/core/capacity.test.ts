import fc from 'fast-check'
import { expect, test } from 'vitest'
import { diskOf, freeOf, ledgerOf, release, reserve } from '../../../protocol/core/capacity.ts'
import { arbitraryCapacity, GIB } from '../../support/arbitrary-board.ts'

const CAPACITY = { cpuMilli: 4_000, memoryBytes: 8 * GIB, diskBytes: 16 * GIB, jobs: 2 }
const SMALL = { cpuMilli: 1_000, memoryBytes: GIB }

test('reserving the same job twice counts once', () => {
  const first = reserve(ledgerOf(CAPACITY), 'R.0', SMALL)
  const second = reserve(first.ledger, 'R.0', SMALL)

  expect([first.kind, second.kind]).toEqual(['reserved', 'held'])
  const left = { cpuMilli: 3_000, memoryBytes: 7 * GIB, diskBytes: 8 * GIB, jobs: 1 }
  expect(freeOf(second.ledger)).toEqual(left)
})

test.each([
  ['cores', { cpuMilli: 4_001, memoryBytes: GIB }],
  ['memory', { cpuMilli: 1_000, memoryBytes: 8 * GIB + 1 }],
  ['disk', { cpuMilli: 1_000, memoryBytes: GIB, diskBytes: 16 * GIB + 1 }]
])('a job that wants more %s than there is gets nothing', (_what, wanted) => {
  const ledger = ledgerOf(CAPACITY)
  expect(reserve(ledger, 'R.0', wanted)).toEqual({ kind: 'full', ledger })
})

test('no more jobs than slots, however small', () => {
  const tiny = { cpuMilli: 1, memoryBytes: 1 }
  const one = reserve(ledgerOf(CAPACITY), 'R.0', tiny).ledger
  const two = reserve(one, 'R.1', tiny).ledger
  expect(reserve(two, 'R.2', tiny).kind).toBe('full')
})

test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])(
  'an amount of %d is refused, or it would hand out what others hold',
  (amount) => {
    const ledger = ledgerOf(CAPACITY)
    expect(reserve(ledger, 'R.0', { cpuMilli: amount, memoryBytes: 1 }).kind).toBe('full')
    expect(reserve(ledger, 'R.0', { cpuMilli: 1, memoryBytes: amount }).kind).toBe('full')
    const disk = { cpuMilli: 1, memoryBytes: 1, diskBytes: amount }
    expect(reserve(ledger, 'R.0', disk).kind).toBe('full')
  }
)

test('releasing a job that holds nothing changes nothing', () => {
  const ledger = reserve(ledgerOf(CAPACITY), 'R.0', SMALL).ledger
  expect(release(ledger, 'R.1')).toBe(ledger)
})

interface Move {
  readonly kind: 'reserve' | 'release'
  readonly job: number
  readonly cpuMilli: number
  readonly memoryBytes: number
  readonly diskBytes: number | undefined
}

const arbitraryMoves: fc.Arbitrary<readonly Move[]> = fc.array(
  fc.record({
    kind: fc.constantFrom('reserve', 'release'),
    job: fc.nat(6),
    cpuMilli: fc.integer({ min: -10, max: 5_000 }),
    memoryBytes: fc.integer({ min: -10, max: 6 * GIB }),
    diskBytes: fc.option(fc.integer({ min: -10, max: 30 * GIB }), { nil: undefined })
  }),
  { maxLength: 40 }
)

test('whatever is reserved and released, the free part is within 0 and the capacity', () => {
  fc.assert(
    fc.property(arbitraryCapacity, arbitraryMoves, (capacity, moves) => {
      let ledger = ledgerOf(capacity)
      for (const { kind, job, ...wanted } of moves) {
        const jobId = `R.${job}`
        ledger = kind === 'release' ? release(ledger, jobId) : reserve(ledger, jobId, wanted).ledger
        const free = freeOf(ledger)
        for (const key of ['cpuMilli', 'memoryBytes', 'diskBytes', 'jobs'] as const) {
          expect(free[key]).toBeGreaterThanOrEqual(0)
          expect(free[key]).toBeLessThanOrEqual(capacity[key])
        }
      }
      for (const jobId of ledger.held.keys()) ledger = release(ledger, jobId)
      expect(freeOf(ledger)).toEqual(capacity)
    }),
    { numRuns: 500 }
  )
})

test('jobs that say nothing of disk never wait for it while only such jobs run', () => {
  fc.assert(
    fc.property(arbitraryCapacity, (capacity) => {
      let ledger = ledgerOf(capacity)
      for (let job = 0; job < capacity.jobs; job++) {
        const taken = reserve(ledger, `R.${job}`, { cpuMilli: 0, memoryBytes: 0 })
        expect(taken.kind).toBe('reserved')
        ledger = taken.ledger
      }
    })
  )
})

test('a host that does not say what disk it has takes such jobs, and none that asks for some', () => {
  const older = { ...CAPACITY, diskBytes: 0 }
  expect(diskOf(SMALL, older)).toBe(0)
  expect(reserve(ledgerOf(older), 'R.0', SMALL).kind).toBe('reserved')
  expect(reserve(ledgerOf(older), 'R.0', { ...SMALL, diskBytes: 1 }).kind).toBe('full')
})

test('an older ledger is not changed by what happens later', () => {
  const before = ledgerOf(CAPACITY)
  reserve(before, 'R.0', SMALL)
  expect(freeOf(before)).toEqual(CAPACITY)
})
