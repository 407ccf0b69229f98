import { beforeEach, describe, expect, test } from 'vitest'
import {
  HISTORY_REST_FACTOR,
  HISTORY_REST_MS_MAX,
  HISTORY_RUNS_MAX
} from '../../../protocol/core/history-limits.ts'
import type { PastRun } from '../../../protocol/mesh/first-look.ts'
import { HistoryQueue } from '../../../protocol/mesh/history-queue.ts'
import type { Lead } from '../../../protocol/mesh/lead-queue.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const leadOf = (register: string, witnessEpoch = 1): Lead => {
  const told = { annHash: 'hash', peers: ['a'], source: 'sync', tries: 0 } as const
  return { register, witnessEpoch, version: 2, ...told }
}

function past(runId: string, ended: readonly Lead[] = [leadOf(`${runId}.0`)]): PastRun {
  return { runId, lead: leadOf(runId), ended: new Map(ended.map((one) => [one.register, one])) }
}

let clock: FakeClock
let read: { readonly atMs: number; readonly run: PastRun }[]
let tookMs: number
let verdict: (runId: string) => 'done' | 'again'
let queue: HistoryQueue
beforeEach(() => {
  clock = new FakeClock()
  read = []
  tookMs = 0
  verdict = () => 'done'
  queue = new HistoryQueue(clock, async (run) => {
    read.push({ atMs: clock.monotonicMs(), run })
    if (tookMs > 0) await new Promise<void>((resolve) => clock.arm(tookMs, resolve))
    return verdict(run.runId)
  })
})

const names = (): readonly string[] => read.map(({ run }) => run.runId)

describe('past runs', () => {
  test('are read the latest first, one after the other', async () => {
    for (const run of ['A', 'B', 'C']) queue.add(past(run))
    await clock.advance(10)

    expect(names()).toEqual(['C', 'B', 'A'])
    expect(queue.busy).toBe(false)
  })

  test('leave the witnesses alone for several times as long as they took', async () => {
    tookMs = 20
    for (const run of ['A', 'B', 'C']) queue.add(past(run))
    await clock.advance(1_000)

    const gaps = read.slice(1).map(({ atMs }, index) => atMs - (read[index]?.atMs ?? 0))
    expect(gaps).toEqual([20, 20].map((ms) => ms * (1 + HISTORY_REST_FACTOR)))
  })

  test('are not given up for one that took very long', async () => {
    tookMs = 60_000
    for (const run of ['A', 'B']) queue.add(past(run))
    await clock.advance(60_000 + HISTORY_REST_MS_MAX + 1)

    expect(names()).toEqual(['B', 'A'])
  })

  test('that cannot be read come again, behind all others and not at once', async () => {
    let failures = 2
    verdict = (run) => (run === 'C' && failures-- > 0 ? 'again' : 'done')
    for (const run of ['A', 'B', 'C']) queue.add(past(run))
    await clock.advance(HISTORY_REST_MS_MAX - 1)
    expect(names()).toEqual(['C'])

    await clock.advance(3 * HISTORY_REST_MS_MAX)
    expect(names()).toEqual(['C', 'B', 'A', 'C', 'C'])
    expect(queue.busy).toBe(false)
  })

  test('that two stores show are one, with each job where it was last', async () => {
    queue.add(past('A', [leadOf('A.0', 1), leadOf('A.1', 3)]))
    queue.add(past('A', [leadOf('A.0', 2), leadOf('A.1', 1), leadOf('A.2', 1)]))
    await clock.advance(10)

    const [one] = read
    expect(read).toHaveLength(1)
    expect([...(one?.run.ended.values() ?? [])].map((lead) => lead.witnessEpoch)).toEqual([2, 3, 1])
  })

  test('that somebody needs now are taken out', async () => {
    for (const run of ['A', 'B']) queue.add(past(run))

    expect(queue.take('B')).toMatchObject({ runId: 'B' })
    expect(queue.take('B')).toBeUndefined()
    await clock.advance(10)
    expect(names()).toEqual(['A'])
  })

  test('come as new after the queue was empty', async () => {
    queue.add(past('A'))
    await clock.advance(10)
    queue.add(past('A'))
    await clock.advance(10)

    expect(names()).toEqual(['A', 'A'])
  })

  test('have room up to a number', () => {
    for (let run = 0; run < HISTORY_RUNS_MAX; run += 1) queue.add(past(`R${run}`))

    expect(queue.add(past('MORE'))).toBe(false)
    expect(queue.add(past('R0'))).toBe(true)
  })

  test('are left where it is stopped, and nothing stays armed', async () => {
    tookMs = 20
    for (const run of ['A', 'B', 'C']) queue.add(past(run))
    await clock.advance(30)
    await queue.stop()
    await clock.advance(1_000)

    expect(names()).toEqual(['C'])
    expect(clock.armed()).toBe(0)
  })
})
