import { beforeEach, expect, test } from 'vitest'
import { Reaper } from '../../../agent/claim/reaper.ts'
import { REAP_EVERY_MS } from '../../../protocol/core/limits.ts'
import { silentLog } from '../../../protocol/host/log.ts'
import { MemoryAttempts, OpenAttempts } from '../../support/claim-bench.ts'
import { FakeClock } from '../../support/fake-clock.ts'

let clock: FakeClock
let executor: OpenAttempts
let attempts: MemoryAttempts
let reaper: Reaper
let trying: boolean
beforeEach(() => {
  clock = new FakeClock()
  executor = new OpenAttempts()
  attempts = new MemoryAttempts()
  trying = false
  const isTrying = (): boolean => trying
  reaper = new Reaper({ executor, attempts, clock, log: silentLog(), isTrying })
})

const record = (register: string, claimId: string) =>
  attempts.put({
    register,
    witnessEpoch: 1,
    epoch: 1,
    claimId,
    container: 'c',
    phase: 'running',
    outcome: undefined,
    userCodeRan: true,
    startedAtMs: 0
  })

test('the reaper comes every minute and leaves to each recorded attempt what is its', async () => {
  reaper.start()
  await clock.advance(REAP_EVERY_MS - 1)
  expect(executor.reaped).toEqual([])

  await record('a.0', 'claim-a')
  await clock.advance(1)
  await record('b.0', 'claim-b')
  await attempts.remove('a.0')
  await clock.advance(2 * REAP_EVERY_MS)

  expect(executor.reaped).toEqual([
    new Set(['claim-a']),
    new Set(['claim-b']),
    new Set(['claim-b'])
  ])
})

test('what a trial has left waits for the reaper, and it for a trial under way', async () => {
  trying = true
  reaper.start()
  await clock.advance(REAP_EVERY_MS)
  expect(executor.trialsReaped).toBe(0)

  trying = false
  await clock.advance(REAP_EVERY_MS - 1)
  expect(executor.trialsReaped).toBe(0)

  await clock.advance(1)
  expect(executor.trialsReaped).toBe(1)
})

test('an engine that is away is asked again the next time', async () => {
  executor.trouble = new Error('no engine answers')
  reaper.start()
  await clock.advance(2 * REAP_EVERY_MS)

  expect(executor.reaped).toHaveLength(2)
  expect(executor.trialsReaped).toBe(2)
})

test('a stopped reaper comes no more', async () => {
  reaper.start()
  await reaper.stop()
  await clock.advance(2 * REAP_EVERY_MS)

  expect(executor.reaped).toEqual([])
  expect(clock.armed()).toBe(0)
})
