import { expect, test } from 'vitest'
import { capacityOf } from '../../../agent/probe/capacity.ts'

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
