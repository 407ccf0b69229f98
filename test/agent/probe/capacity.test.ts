import fc from 'fast-check'
import { expect, test } from 'vitest'
import { capacityOf } from '../../../agent/probe/capacity.ts'
import { freeOf, ledgerOf, release, reserve } from '../../../protocol/core/capacity.ts'
import { footprintOf, pidsOf } from '../../../protocol/core/footprint.ts'
import { HOST_JOBS_MAX } from '../../../protocol/core/placement-limits.ts'
import { fits, hasRoom, lacksRoom } from '../../../protocol/core/requirements.ts'
import { SAMPLE_ORIGIN, sampleAd, sampleSpec } from '../../support/arbitrary-board.ts'

const GIB = 2 ** 30
const MIB = 2 ** 20
const HOST = { cpus: 8, memoryBytes: 32 * GIB, diskBytes: 100 * GIB }

test('an owner who says nothing offers all cores, most of the memory and a job a core', () => {
  const { capacity, problems } = capacityOf(HOST, {})

  expect(problems).toEqual([])
  expect(capacity).toMatchObject({ cpuMilli: 8_000, jobs: 8 })
  // A tenth stays for the host itself, in whole mebibytes.
  expect(capacity.memoryBytes).toBe(Math.floor((32 * GIB * 0.9) / MIB) * MIB)
  expect(capacity.memoryBytes).toBeLessThan(29 * GIB)
  // A fifth of what is free stays for images.
  expect(capacity.diskBytes).toBe(80 * GIB)
})

test("the owner's figures count, each by itself", () => {
  expect(capacityOf(HOST, { cpuMilli: 500 }).capacity).toMatchObject({ cpuMilli: 500, jobs: 8 })
  expect(capacityOf(HOST, { jobs: 20 }).capacity).toMatchObject({ cpuMilli: 8_000, jobs: 20 })
  // What an owner gives away is his: nothing is kept back of it.
  expect(capacityOf(HOST, { memoryBytes: 32 * GIB }).capacity.memoryBytes).toBe(32 * GIB)
})

test('agents that share a host divide it: together they offer what it has, and nothing is wrong', () => {
  const half = { cpuMilli: 4_000, memoryBytes: 14 * GIB, diskBytes: 40 * GIB, jobs: 4 }
  const offers = [capacityOf(HOST, half), capacityOf(HOST, half)]

  expect(offers.map(({ capacity }) => capacity)).toEqual([half, half])
  expect(offers.flatMap(({ problems }) => problems)).toEqual([])
})

test('more than the host has is a problem with a way out, and is not offered', () => {
  const wish = { cpuMilli: 16_000, memoryBytes: 64 * GIB, diskBytes: 50 * GIB, jobs: 2 }

  const { capacity, problems } = capacityOf(HOST, wish)

  expect(capacity).toEqual({ ...wish, cpuMilli: 8_000, memoryBytes: 32 * GIB })
  expect(problems.map(({ part, blocking, found }) => [part, blocking, found])).toEqual([
    ['capacity', false, 'capacity.cpu is 16, this host has 8'],
    ['capacity', false, 'capacity.memory is 64GiB, this host has 32GiB']
  ])
  for (const { fix } of problems) expect(fix).toContain('agent.yaml')
})

test('a host without a whole core still runs one job', () => {
  expect(capacityOf({ cpus: 0, memoryBytes: GIB, diskBytes: GIB }, {}).capacity.jobs).toBe(1)
})

test('no host offers more places than its leases could be renewed for', () => {
  const settings = { overcommit: { cpu: 8, memory: 1 } }
  expect(capacityOf({ ...HOST, cpus: 127 }, settings).capacity.jobs).toBe(1_016)
  expect(capacityOf({ ...HOST, cpus: 256 }, settings).capacity.jobs).toBe(HOST_JOBS_MAX)
})

test('a reserve stays for the host, whatever else its owner offers', () => {
  const offer = capacityOf(HOST, { memoryBytes: 32 * GIB, reserveBytes: 4 * GIB })
  expect(offer.capacity.memoryBytes).toBe(28 * GIB)
  expect(offer.problems.map(({ found }) => found)).toEqual([
    'capacity.memory is 32GiB, this host has 28GiB'
  ])
  expect(capacityOf(HOST, { reserveBytes: 4 * GIB }).capacity.memoryBytes).toBe(28 * GIB)
  expect(capacityOf(HOST, { reserveBytes: 64 * GIB }).capacity.memoryBytes).toBe(0)
})

test('what may be given away twice is no more for one job', () => {
  const offer = capacityOf(HOST, { reserveBytes: 0, overcommit: { cpu: 2, memory: 1.5 } })
  expect(offer.capacity).toMatchObject({ cpuMilli: 16_000, memoryBytes: 48 * GIB, jobs: 16 })
  expect(offer.largest).toEqual({ cpuMilli: 8_000, memoryBytes: 32 * GIB })

  const job = (cpuMilli: number) => {
    const spec = sampleSpec({ resources: { cpuMilli, memoryBytes: GIB } })
    return { spec, trust: 'trusted', origin: SAMPLE_ORIGIN } as const
  }
  const ad = sampleAd(offer)
  expect(fits(job(8_000), ad)).toEqual([])
  expect(fits(job(8_001), ad)).toMatchObject([{ requirement: 'cpu', offered: '8' }])
})

const amount = fc.integer({ min: 0, max: 64 })
const drawnJobs = fc.array(
  fc.record({
    cpuMilli: fc.integer({ min: 0, max: 9_000 }),
    memoryBytes: amount.map((gib) => gib * GIB),
    diskBytes: amount.map((gib) => gib * GIB),
    services: fc.array(
      fc.record({ cpuMilli: fc.integer({ min: 0, max: 2_000 }), memoryBytes: amount }),
      { maxLength: 3 }
    )
  }),
  { maxLength: 40 }
)
const settings = fc.record({
  memoryBytes: fc.option(
    amount.map((gib) => gib * GIB),
    { nil: undefined }
  ),
  reserveBytes: amount.map((gib) => gib * GIB),
  overcommit: fc.option(
    fc.record({
      cpu: fc.double({ min: 1, max: 4, noNaN: true }),
      memory: fc.double({ min: 1, max: 4, noNaN: true })
    }),
    { nil: undefined }
  )
})

test('limits admitted, services included, never exceed what the host has less its reserve', () => {
  fc.assert(
    fc.property(settings, drawnJobs, (owner, jobs) => {
      const { capacity } = capacityOf(HOST, owner)
      const { cpu = 1, memory = 1 } = owner.overcommit ?? {}
      let ledger = ledgerOf(capacity)
      const limits = { cpuMilli: 0, memoryBytes: 0, diskBytes: 0 }
      for (const [index, { services, ...resources }] of jobs.entries()) {
        const beside = services.map((one, at) => {
          const rest = { env: {}, secrets: [], command: undefined }
          const ready = { port: undefined, command: undefined, timeoutMs: 1 }
          return { name: `s${at}`, image: 'i:1', ...rest, ready, resources: one }
        })
        const wanted = footprintOf({ resources, services: beside })
        const reservation = reserve(ledger, `R${index}.0`, wanted)
        ledger = reservation.ledger
        if (reservation.kind !== 'reserved') continue
        // Of each container by itself, as the engine is told them.
        for (const one of [resources, ...services]) {
          limits.cpuMilli += one.cpuMilli
          limits.memoryBytes += one.memoryBytes
        }
        limits.diskBytes += resources.diskBytes
      }
      const spare = Math.max(0, HOST.memoryBytes - owner.reserveBytes)
      expect(limits.memoryBytes).toBeLessThanOrEqual(spare * memory)
      expect(limits.cpuMilli).toBeLessThanOrEqual(HOST.cpus * 1_000 * cpu)
      expect(limits.diskBytes).toBeLessThanOrEqual(capacity.diskBytes)
    })
  )
})

test('processes of the kernel are promised to jobs as memory is, less a reserve', () => {
  const { capacity } = capacityOf({ ...HOST, pids: { used: 400, max: 6_000 } }, {})
  // Three quarters of a low limit: 4 500, for eight cores.
  expect(capacity).toMatchObject({ pids: 4_500, jobs: 8 })
  expect(capacityOf(HOST, {}).capacity.pids).toBeUndefined()

  const spec = sampleSpec({ resources: { cpuMilli: 100, memoryBytes: MIB, pidsMax: 3_000 } })
  const wanted = { spec, trust: 'trusted', origin: SAMPLE_ORIGIN } as const
  const first = reserve(ledgerOf(capacity), 'R.0', { ...footprintOf(spec), pidsMax: pidsOf(spec) })
  expect(first.kind).toBe('reserved')
  // 1 500 are left: two plain jobs, which is what others are told, and no second one like it.
  const free = freeOf(first.ledger)
  expect(free).toMatchObject({ pids: 1_500, jobs: 2 })
  expect(hasRoom(wanted, { free, capacity })).toBe(false)
  expect(lacksRoom(wanted, { free, capacity })).toMatchObject([
    { requirement: 'free pids', wanted: '3000', offered: '1500' }
  ])
  expect(reserve(first.ledger, 'R.1', footprintOf(spec)).kind).toBe('full')
  expect(reserve(first.ledger, 'R.2', { cpuMilli: 100, memoryBytes: MIB }).kind).toBe('reserved')
  expect(freeOf(release(first.ledger, 'R.0'))).toMatchObject({ pids: 4_500, jobs: 8 })
  // Its services have a limit each, beside its own.
  const ready = { port: undefined, command: undefined, timeoutMs: 1 }
  const beside = { name: 'db', image: 'x', env: {}, secrets: [], command: undefined, ready }
  const { resources } = sampleSpec()
  expect(pidsOf({ resources, services: [{ ...beside, resources }] })).toBe(1_024)
})

test('a job that wants more processes than the host ever promises is told so', () => {
  const offer = sampleAd({ capacity: { ...sampleAd().capacity, pids: 2_000 } })
  const spec = sampleSpec({ resources: { cpuMilli: 100, memoryBytes: MIB, pidsMax: 4_096 } })
  const wanted = { spec, trust: 'trusted', origin: SAMPLE_ORIGIN } as const
  expect(fits(wanted, offer)).toEqual([{ requirement: 'pids', wanted: '4096', offered: '2000' }])
})
