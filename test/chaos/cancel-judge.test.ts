import { describe, expect, test } from 'vitest'
import {
  type Answer,
  cancelProblems,
  goneMs,
  type JudgedJob,
  type Order,
  takenOf
} from './cancel-judge.ts'
import type { SeenContainer } from './judge.ts'

const JOB = 'R.0'
const AT_MS = 100_000
const CANCELLED = { state: 'cancelled', reason: 'cancelled', epoch: 1 }
const SUCCEEDED = { state: 'succeeded', reason: 'completed', epoch: 1 }
/** Long before, so that what must be over some time after a healing must be over now. */
const HEALED_MS = 0
const LATER_MS = 10_000_000

const requested: Answer = { kind: 'taken', verdict: 'requested', atMs: AT_MS, epoch: 1 }
const atOnce: Answer = { kind: 'taken', verdict: 'cancelled', atMs: AT_MS, epoch: 0 }
const unsure: Answer = { kind: 'unsure', atMs: AT_MS, cause: 'QUORUM_UNREACHABLE' }
const unknown: Answer = { kind: 'unknown', atMs: AT_MS }

const order = (answer: Answer | undefined, parts: Partial<Order> = {}): Order => {
  const sent = { reason: 'first', graceMs: 2_000, door: 'onyx', sentMs: AT_MS - 50 }
  return { ...sent, answer, ...parts }
}

const job = (parts: Partial<JudgedJob>): JudgedJob => {
  const planned = { kind: 'ok', seconds: 60 } as const
  const given = { orders: [order(requested)], gaveUp: false, end: CANCELLED }
  return { id: JOB, ...planned, ...given, endShownMs: AT_MS + 4_000, ...parts }
}

/** Alive from so long before the answer to so long after it. */
const box = (beforeMs: number, afterMs: number, parts: Partial<SeenContainer> = {}) => {
  const times = { startMs: AT_MS - beforeMs, aliveMs: AT_MS + afterMs }
  const names = { container: `c${beforeMs}`, engine: 0, job: JOB, peer: 'onyx', epoch: 1 }
  return { ...names, ...times, ...parts }
}

const problems = (
  judged: JudgedJob,
  containers: readonly SeenContainer[] = [box(10_000, 3_000)],
  healedMs = HEALED_MS
): readonly string[] => cancelProblems(judged, containers, healedMs)

describe('a job may end cancelled', () => {
  test('where an order was taken, or may have been', () => {
    expect(problems(job({}))).toEqual([])
    expect(problems(job({ orders: [order(unsure)] }))).toEqual([])
    expect(problems(job({ orders: [order(undefined)] }))).toEqual([])
    expect(problems(job({ orders: [order(unknown), order(requested)] }))).toEqual([])
  })

  test('but not where nobody asked for it, nor where nobody knew the job that was asked for', () => {
    const nobody = ['R.0: cancelled, and nobody asked for it']

    expect(problems(job({ orders: [] }))).toEqual(nobody)
    expect(problems(job({ orders: [order(unknown)] }))).toEqual(nobody)
  })

  test('but not while its container lives', () => {
    const late = job({ endShownMs: AT_MS + 2_900 })

    expect(problems(late)).toEqual(['R.0: a container lived 100 ms beside its end'])
  })
})

describe('a job whose order was taken may end otherwise', () => {
  const own = job({ end: SUCCEEDED, seconds: 12 })

  test('where its script was over before its holder can have heard of it', () => {
    expect(problems(own)).toEqual([])
    expect(problems({ ...own, end: { ...SUCCEEDED, state: 'failed' } })).toEqual([])
  })

  test('but not where the script went on for longer than a lease', () => {
    expect(problems({ ...own, seconds: 19 })).toEqual([
      'R.0: not heard of: its script ended 9000 ms after the order was taken'
    ])
  })

  test('but not where it was answered as over', () => {
    const orders = [order({ ...atOnce, epoch: 1 })]

    expect(problems({ ...own, orders }, [])).toEqual([
      'R.0: answered as cancelled, and ended succeeded'
    ])
  })

  test.each(['agent_lost', 'quarantined'])('but not for %s: that ends it cancelled', (reason) => {
    const end = { state: 'errored', reason, epoch: 1 }

    expect(problems({ ...own, end })).toEqual([
      `R.0: the order was taken, and it ended for ${reason}`
    ])
    expect(problems({ ...own, end, orders: [order(unsure)] })).toEqual([])
  })

  test('errored by its holder, which cannot start it', () => {
    const end = { state: 'errored', reason: 'source_unavailable', epoch: 1 }

    expect(problems(job({ end, seconds: 60 }))).toEqual([])
  })
})

test('a job that was answered as ended has the end that was named', () => {
  const ended = (state: string) => [order({ kind: 'ended', state, atMs: AT_MS })]

  expect(problems(job({ end: SUCCEEDED, orders: ended('succeeded') }))).toEqual([])
  // Its witnesses do not keep it any more: that says nothing.
  expect(problems(job({ end: SUCCEEDED, orders: ended('ended') }))).toEqual([])
  expect(problems(job({ end: SUCCEEDED, orders: ended('failed') }))).toEqual([
    'R.0: answered as failed already, and ended succeeded'
  ])
})

describe('once an order is taken', () => {
  test('a container that was claimed before may begin, one and no other', () => {
    const [first, second] = [box(-500, 3_000), box(-3_100, 3_900)]

    expect(problems(job({}), [box(9_000, -5_000, { epoch: 0 }), first])).toEqual([])
    expect(problems(job({}), [first, second])).toEqual([
      'R.0: 2 containers began after the order was taken'
    ])
  })

  test('nobody claims the job', () => {
    const claimed = ['R.0: claimed as epoch 2 after the order at 1']

    expect(problems(job({}), [box(9_000, 500), box(-1_000, 3_000, { epoch: 2 })])).toEqual(claimed)
    expect(problems(job({ end: { ...CANCELLED, epoch: 2 } }))).toEqual(claimed)
  })

  test('and answered as over, no container of it lives', () => {
    const over = job({ orders: [order(atOnce)], end: { ...CANCELLED, epoch: 0 } })

    expect(problems(over, [])).toEqual([])
    expect(problems(over, [box(9_000, -1, { epoch: 0 })])).toEqual([])
    expect(problems(over, [box(9_000, 700, { epoch: 0 })])).toEqual([
      'R.0: a container lived 700 ms after it was answered as cancelled'
    ])
  })
})

describe('its container is gone soon after its grace', () => {
  const shown = { endShownMs: LATER_MS }

  test('where nothing is broken any more', () => {
    expect(problems(job(shown), [box(9_000, 32_000)])).toEqual([])
    expect(problems(job(shown), [box(9_000, 32_100)])).toEqual([
      'R.0: its container was there 30100 ms after its grace'
    ])
  })

  test('which is 5 s where the order says none, and the longest where there are several', () => {
    const none = [order(requested, { graceMs: undefined })]
    const two = [order(requested), order(requested, { graceMs: 20_000 })]

    expect(problems(job({ ...shown, orders: none }), [box(9_000, 35_000)])).toEqual([])
    expect(problems(job({ ...shown, orders: none }), [box(9_000, 35_100)])).toHaveLength(1)
    expect(problems(job({ ...shown, orders: two }), [box(9_000, 50_000)])).toEqual([])
    expect(problems(job({ ...shown, orders: two }), [box(9_000, 50_100)])).toHaveLength(1)
  })

  test('and counted from the healing where that came later', () => {
    const lives = [box(9_000, 52_000)]

    expect(problems(job(shown), lives, AT_MS + 20_000)).toEqual([])
    expect(problems(job(shown), lives, AT_MS + 19_900)).toHaveLength(1)
  })
})

test('a healed mesh takes an order, one among faults need not', () => {
  const open = { end: SUCCEEDED, orders: [order(unsure)], gaveUp: true }

  expect(problems(job(open))).toEqual(['R.0: a healed mesh took no order'])
  expect(problems(job(open), [], AT_MS)).toEqual([])
  expect(problems(job({ ...open, gaveUp: false }))).toEqual([])
  expect(
    problems(job({ ...open, seconds: 12, orders: [order(unsure), order(requested)] }))
  ).toEqual([])
})

test('taken orders come in the order of their answers, and the last container counts from there', () => {
  const second: Answer = { ...requested, atMs: AT_MS + 100 }
  const judged = job({ orders: [order(second), order(unsure), order(requested)] })

  expect(takenOf(judged)).toEqual([requested, second])
  expect(goneMs(judged, [box(9_000, 500), box(-600, 3_000, { job: 'R.1' })])).toBe(500)
  expect(goneMs(judged, [])).toBeUndefined()
  expect(goneMs(job({ orders: [order(unsure)] }), [box(9_000, 500)])).toBeUndefined()
})
