import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fairOrder, type Queued, type SharesOf, turnMs } from '../../../protocol/core/fair-order.ts'
import { PRIORITY_AGE_MS, PRIORITY_MAX } from '../../../protocol/core/graph-limits.ts'

let serial = 0
function queued(repository: string, issuedAtMs: number, priority = 0): Queued {
  serial += 1
  return { jobId: `${repository}${serial}`, repository, issuedAtMs, priority }
}

const NOTHING: SharesOf = { running: new Map(), usedMs: new Map() }
const names = (jobs: readonly Queued[]): string => jobs.map((job) => job.repository).join('')

describe('between repositories', () => {
  test('those with fewer jobs running go first, and they take turns from there', () => {
    const jobs = [queued('a', 1), queued('a', 2), queued('a', 3), queued('b', 8), queued('b', 9)]
    expect(names(fairOrder(jobs, NOTHING))).toBe('ababa')
    const busy = { running: new Map([['a', 2]]), usedMs: new Map() }
    expect(names(fairOrder(jobs, busy))).toBe('bbaaa')
  })

  test('of equal ones the one goes first that had less lately', () => {
    const jobs = [queued('a', 1), queued('b', 9)]
    const had = { running: new Map(), usedMs: new Map([['a', 60_000]]) }
    expect(names(fairOrder(jobs, had))).toBe('ba')
    expect(names(fairOrder(jobs, NOTHING))).toBe('ab')
  })

  test('priority pushes nobody else’s jobs back', () => {
    const jobs = [queued('a', 5, PRIORITY_MAX), queued('b', 4, -PRIORITY_MAX)]
    expect(names(fairOrder(jobs, NOTHING))).toBe('ba')
  })
})

describe('within a repository', () => {
  test('a point of priority counts as a minute of age', () => {
    const [old, urgent] = [queued('a', 0), queued('a', 59_999, 1)]
    expect(fairOrder([old, urgent], NOTHING)[0]).toBe(urgent)
    const late = queued('a', 60_001, 1)
    expect(fairOrder([late, old], NOTHING)[0]).toBe(old)
  })

  test('equal jobs keep their order', () => {
    const jobs = [queued('a', 7), queued('a', 7), queued('a', 7)]
    expect(fairOrder(jobs, NOTHING)).toEqual(jobs)
  })
})

const arbitraryJobs = fc.array(
  fc
    .record({
      repository: fc.constantFrom('a', 'b', 'c'),
      issuedAtMs: fc.nat(3_000_000),
      priority: fc.integer({ min: -PRIORITY_MAX, max: PRIORITY_MAX })
    })
    .map((job) => queued(job.repository, job.issuedAtMs, job.priority)),
  { maxLength: 30 }
)
const arbitraryShares = fc.record({
  running: fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.nat(5)),
  usedMs: fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.nat(5))
})

test('every job is placed once, and no repository gets two more turns than one that waits', () => {
  fc.assert(
    fc.property(arbitraryJobs, arbitraryShares, (jobs, drawn) => {
      const running = new Map(Object.entries(drawn.running))
      const usedMs = new Map(Object.entries(drawn.usedMs))
      const order = fairOrder(jobs, { running, usedMs })
      expect(new Set(order)).toEqual(new Set(jobs))
      expect(order).toHaveLength(jobs.length)
      const has = new Map(running)
      for (const [at, { repository }] of order.entries()) {
        const waiting = new Set(order.slice(at).map((job) => job.repository))
        const least = Math.min(...[...waiting].map((name) => has.get(name) ?? 0))
        expect(has.get(repository) ?? 0).toBe(least)
        has.set(repository, (has.get(repository) ?? 0) + 1)
      }
    })
  )
})

test('of a limited look the first are those of a whole one', () => {
  fc.assert(
    fc.property(arbitraryJobs, fc.nat(40), (jobs, most) => {
      const cut = Math.min(most, jobs.length)
      expect(fairOrder(jobs, NOTHING, cut)).toEqual(fairOrder(jobs, NOTHING).slice(0, cut))
    })
  )
})

/*
 * One slot, and streams that never end: a new job of each other kind is there whenever one begins.
 * Whatever they are, the job that waits is taken after a bounded number of others.
 */
test('nothing starves: neither behind urgent jobs nor behind other repositories', () => {
  const stream = fc.record({
    repository: fc.constantFrom('own', 'x', 'y'),
    priority: fc.integer({ min: -PRIORITY_MAX, max: PRIORITY_MAX }),
    workMs: fc.integer({ min: 1_000, max: 120_000 })
  })
  fc.assert(
    fc.property(fc.array(stream, { minLength: 1, maxLength: 4 }), (streams) => {
      const waiting = queued('own', 0, -PRIORITY_MAX)
      const used = new Map<string, number>()
      let nowMs = 0
      for (let taken = 0; taken < 5_000; taken += 1) {
        const fresh = streams.map((one) => queued(one.repository, nowMs, one.priority))
        const [first] = fairOrder([waiting, ...fresh], { running: new Map(), usedMs: used })
        if (first === waiting) return
        const at = first === undefined ? -1 : fresh.indexOf(first)
        const workMs = streams[at]?.workMs ?? 0
        nowMs += workMs
        const { repository = '' } = first ?? {}
        used.set(repository, (used.get(repository) ?? 0) + workMs)
      }
      throw new Error(`still waiting after ${nowMs} ms`)
    }),
    { numRuns: 50 }
  )
  // In its own repository it waits for none that is younger by more than all priorities.
  const limitMs = 2 * PRIORITY_MAX * PRIORITY_AGE_MS
  expect(turnMs(queued('own', limitMs, PRIORITY_MAX))).toBe(turnMs(queued('own', 0, -PRIORITY_MAX)))
})
