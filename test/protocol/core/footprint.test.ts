import fc from 'fast-check'
import { expect, test } from 'vitest'
import { freeOf, ledgerOf, release, reserve } from '../../../protocol/core/capacity.ts'
import { footprintOf } from '../../../protocol/core/footprint.ts'
import { lacksRoom } from '../../../protocol/core/requirements.ts'
import type { JobSpec, ServiceSpec } from '../../../protocol/core/run.ts'
import { sampleSpec } from '../../support/arbitrary-board.ts'

const amounts = fc.record({
  cpuMilli: fc.integer({ min: 1, max: 8_000 }),
  memoryBytes: fc.integer({ min: 1, max: 2 ** 34 })
})

const specs: fc.Arbitrary<JobSpec> = fc
  .tuple(amounts, fc.array(amounts, { maxLength: 8 }))
  .map(([resources, beside]) => sampleSpec({ resources, services: beside.map(serviceOf) }))

function serviceOf(resources: ServiceSpec['resources'], index: number): ServiceSpec {
  const ready = { port: undefined, command: undefined, timeoutMs: 1 }
  const rest = { env: {}, secrets: [], command: undefined, ready }
  return { name: `s${index}`, image: 'x', resources, ...rest }
}

test('a job without services takes what it says', () => {
  const spec = sampleSpec({ resources: { cpuMilli: 7, memoryBytes: 9 } })
  expect(footprintOf(spec)).toEqual({ cpuMilli: 7, memoryBytes: 9 })
})

test('an agent that has room for a job has it for all of its services, too', () => {
  fc.assert(
    fc.property(specs, amounts, (spec, has) => {
      const parts = [spec, ...(spec.services ?? [])].map(({ resources }) => resources)
      const cpu = parts.reduce((sum, { cpuMilli }) => sum + cpuMilli, 0)
      const memory = parts.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0)
      const whole = { ...has, diskBytes: 2 ** 40, jobs: 1 }
      const fitsAll = has.cpuMilli >= cpu && has.memoryBytes >= memory
      expect(
        lacksRoom({ spec, trust: 'trusted' }, { free: whole, capacity: whole }).length === 0
      ).toBe(fitsAll)
      const { kind } = reserve(ledgerOf(whole), 'a', footprintOf(spec))
      expect(kind).toBe(fitsAll ? 'reserved' : 'full')
    })
  )
})

test('what jobs with services hold is given back whole', () => {
  fc.assert(
    fc.property(fc.array(specs, { maxLength: 4 }), (jobs) => {
      const capacity = { cpuMilli: 100_000, memoryBytes: 2 ** 38, diskBytes: 2 ** 40, jobs: 4 }
      let ledger = ledgerOf(capacity)
      for (const [index, spec] of jobs.entries()) {
        ledger = reserve(ledger, `j${index}`, footprintOf(spec)).ledger
      }
      const free = freeOf(ledger)
      expect(Math.min(free.cpuMilli, free.memoryBytes, free.jobs)).toBeGreaterThanOrEqual(0)
      for (const index of jobs.keys()) ledger = release(ledger, `j${index}`)
      expect(freeOf(ledger)).toEqual(capacity)
    })
  )
})
