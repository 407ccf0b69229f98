import { totalmem } from 'node:os'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readLoad } from '../../agent/policy/load-reading.ts'
import { capacityOf } from '../../agent/probe/capacity.ts'
import { ledgerOf, reserve } from '../../protocol/core/capacity.ts'
import { AttemptRig } from '../support/attempt-rig.ts'
import { eventually } from '../support/eventually.ts'

const TEST_MS = 120_000
const MIB = 1_048_576
const LIMIT = 48 * MIB
const FILLED = 36 * MIB

let rig: AttemptRig
beforeAll(async () => {
  rig = await AttemptRig.open()
}, TEST_MS)
afterAll(() => rig.close())

test('jobs that fill their limits leave the reserve of their host alone', {
  timeout: TEST_MS
}, async () => {
  const resources = { cpuMilli: 500, memoryBytes: LIMIT, diskBytes: MIB }
  const host = { cpus: 2, memoryBytes: totalmem(), diskBytes: 1_000 * MIB }
  const reserveBytes = Math.floor(totalmem() / 10)
  const owner = { memoryBytes: 2 * LIMIT, reserveBytes, cpuMilli: 2_000, jobs: 4 }
  const admitted = [0, 1, 2].reduce<{ ledger: ReturnType<typeof ledgerOf>; kinds: string[] }>(
    ({ ledger, kinds }, index) => {
      const next = reserve(ledger, `R${index}.0`, resources)
      return { ledger: next.ledger, kinds: [...kinds, next.kind] }
    },
    { ledger: ledgerOf(capacityOf(host, owner).capacity), kinds: [] }
  )
  expect(admitted.kinds).toEqual(['reserved', 'reserved', 'full'])

  // Files there are memory of the job's. What comes behind the pause is over its limit.
  const fill = `head -c ${FILLED} /dev/zero >/dev/shm/a; stat -c %s /dev/shm/a`
  const steps = [{ run: `${fill}; sleep 5; cat /dev/zero >>/dev/shm/a; sleep 20` }]
  const jobs = await Promise.all([0, 1].map(() => rig.start({ steps, spec: { resources } })))
  await eventually('both have filled their limits', () =>
    jobs.every(({ lines }) => lines.some(({ text }) => text === String(FILLED)))
  )
  expect(readLoad().availableBytes).toBeGreaterThan(reserveBytes)
  for (const { result } of jobs) {
    expect(await result).toMatchObject({ outcome: { state: 'failed', reason: 'oom_killed' } })
  }
  expect(readLoad().availableBytes).toBeGreaterThan(reserveBytes)
})
