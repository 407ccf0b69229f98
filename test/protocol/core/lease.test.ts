import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LeaseEffect, LeaseEvent, LeaseHold } from '../../../protocol/core/lease.ts'
import { mayStart, resumeHold, startHold, stepHold } from '../../../protocol/core/lease.ts'
import { LEASE_PROFILES } from '../../../protocol/core/lease-profile.ts'

const PROFILE = LEASE_PROFILES.short
const HOLD_MS = PROFILE.leaseMs - PROFILE.killBudgetMs
const START_MS = 50_000

/** A lease under the hand of a test; `kinds` are the effects of the last step but for `wake`. */
class Played {
  hold: LeaseHold
  effects: readonly LeaseEffect[]

  constructor(claimStartedAtMs: number, nowMs: number) {
    ;[this.hold, this.effects] = startHold(PROFILE, claimStartedAtMs, nowMs)
  }

  get kinds(): readonly string[] {
    return this.effects.map(({ kind }) => kind).filter((kind) => kind !== 'wake')
  }

  get wakeMs(): number | undefined {
    return this.effects.find((effect) => effect.kind === 'wake')?.atMs
  }

  step(event: LeaseEvent): this {
    ;[this.hold, this.effects] = stepHold(this.hold, event)
    return this
  }

  tick(nowMs: number): this {
    return this.step({ kind: 'tick', nowMs })
  }

  renewed(startedAtMs: number, nowMs: number, oks: number, stale = 0): this {
    const cancel = undefined
    return this.step({ kind: 'renewed', startedAtMs, nowMs, oks, stale, quorum: 2, cancel })
  }
}

/** A container that runs since START_MS + 10. */
function running(): Played {
  return new Played(START_MS, START_MS + 10).step({ kind: 'ready', nowMs: START_MS + 10 })
}

describe('a lease that was just won', () => {
  test('lasts from the start of its claim, not from the answer', () => {
    const played = new Played(START_MS, START_MS + 900)

    expect(played.effects).toContainEqual({
      kind: 'write_deadline',
      deadlineMs: START_MS + HOLD_MS
    })
    expect(played.hold.deadlineMs).toBe(START_MS + HOLD_MS)
  })

  test('lets its container start when all is ready', () => {
    expect(running().kinds).toEqual(['start'])
  })

  test('with too little left renews first, and then starts', () => {
    const late = START_MS + HOLD_MS - PROFILE.startMsMin + 1
    const played = new Played(START_MS, late)
    expect(played.kinds).toEqual(['write_deadline', 'renew'])
    expect(mayStart(played.hold, late)).toBe(false)
    played.step({ kind: 'ready', nowMs: late })
    expect(played.kinds).not.toContain('start')
    played.renewed(late, late + 50, 2)

    expect(played.kinds).toEqual(['write_deadline', 'start'])
  })

  test('that becomes ready late renews at once', () => {
    const played = new Played(START_MS, START_MS + 10)
    played
      .tick(START_MS + 500)
      .tick(START_MS + 1_000)
      .tick(START_MS + 1_500)
    played.step({ kind: 'ready', nowMs: START_MS + HOLD_MS - 100 })

    expect(played.kinds).toEqual(['renew'])
  })
})

describe('a lease is renewed', () => {
  test('every so often', () => {
    const played = running()
    expect(played.wakeMs).toBe(START_MS + PROFILE.renewEveryMs)
    played.tick(START_MS + PROFILE.renewEveryMs)

    expect(played.effects).toContainEqual({
      kind: 'renew',
      startedAtMs: START_MS + PROFILE.renewEveryMs
    })
    expect(played.wakeMs).toBe(START_MS + 2 * PROFILE.renewEveryMs)
  })

  test('is on the beat that all leases of its host share, and never later than its time', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e9 }), (startedAtMs) => {
        const [hold] = startHold(PROFILE, startedAtMs, startedAtMs)

        expect(hold.nextRenewMs % PROFILE.renewEveryMs).toBe(0)
        expect(hold.nextRenewMs).toBeGreaterThan(startedAtMs)
        expect(hold.nextRenewMs).toBeLessThanOrEqual(startedAtMs + PROFILE.renewEveryMs)
      })
    )
  })

  test('from the start of the round, when a quorum says so', () => {
    const played = running().renewed(START_MS + 500, START_MS + 800, 2)

    expect(played.effects[0]).toEqual({
      kind: 'write_deadline',
      deadlineMs: START_MS + 500 + HOLD_MS
    })
  })

  test('not by a minority', () => {
    const played = running()
      .tick(START_MS + 500)
      .renewed(START_MS + 500, START_MS + 800, 1)

    expect(played.hold.deadlineMs).toBe(START_MS + HOLD_MS)
    expect(played.kinds).toEqual([])
  })

  test('not backwards, when an old round answers after a new one', () => {
    const played = running().renewed(START_MS + 900, START_MS + 950, 2)
    played.renewed(START_MS + 500, START_MS + 960, 3)

    expect(played.hold.deadlineMs).toBe(START_MS + 900 + HOLD_MS)
    expect(played.kinds).toEqual([])
  })

  test('not once it is over, however many say so', () => {
    const played = running().renewed(START_MS + HOLD_MS - 1, START_MS + HOLD_MS, 3)

    expect(played.kinds).toEqual(['kill', 'lost'])
  })

  test('not once its end is proposed, though witnesses hear of it until the deadline', () => {
    const played = running().step({ kind: 'gone', nowMs: START_MS + 100 })
    played.step({ kind: 'proposed', nowMs: START_MS + 100 })
    played.renewed(START_MS + 200, START_MS + 300, 3)
    expect(played.hold.deadlineMs).toBe(START_MS + HOLD_MS)
    expect(played.tick(START_MS + 500).kinds).toEqual(['renew'])
    played.tick(START_MS + HOLD_MS)

    expect(played.effects).toEqual([])
  })
})

describe('a lease without a container', () => {
  test('begins anew with a renewal, even after its deadline', () => {
    const late = START_MS + HOLD_MS + 300
    const played = new Played(START_MS, START_MS + 10).tick(late)
    expect(played.kinds).toEqual(['renew'])
    played.renewed(late, late + 20, 2)

    expect(played.hold.deadlineMs).toBe(late + HOLD_MS)
    expect(played.step({ kind: 'ready', nowMs: late + 30 }).kinds).toEqual(['start'])
  })

  test('asks for no renewal once its end is proposed and its deadline has passed', () => {
    const over = START_MS + HOLD_MS
    for (const ready of [true, false]) {
      const played = new Played(START_MS, START_MS + 10)
      // Too late to start: what is ready only waits.
      if (ready) played.step({ kind: 'ready', nowMs: over - PROFILE.startMsMin + 1 })
      played.step({ kind: 'proposed', nowMs: over - 1 })

      played.tick(over)
      expect(played.kinds).toEqual([])
      expect(played.wakeMs).toBeUndefined()
      expect(played.tick(over + 10 * PROFILE.renewEveryMs).kinds).toEqual([])
    }
  })

  test('is given back when nobody confirms it after its deadline', () => {
    const late = START_MS + HOLD_MS + 300
    const played = new Played(START_MS, START_MS + 10).tick(late)
    expect(played.renewed(START_MS + 2_000, START_MS + 2_100, 1).hold.lost).toBeUndefined()
    played.renewed(late, late + 20, 1)

    expect(played.effects).toEqual([{ kind: 'lost', reason: 'no_quorum' }])
  })
})

describe('a container that cannot be renewed', () => {
  test('is asked to end before its deadline, once, and killed at it', () => {
    const played = running()
    const terminateMs = START_MS + HOLD_MS - PROFILE.graceMs
    expect(played.tick(terminateMs - 1).kinds).not.toContain('terminate')
    expect(played.tick(terminateMs).kinds).toContain('terminate')
    expect(played.tick(terminateMs + 1).kinds).not.toContain('terminate')
    expect(played.wakeMs).toBeLessThanOrEqual(START_MS + HOLD_MS)
    played.tick(START_MS + HOLD_MS)

    expect(played.effects).toEqual([{ kind: 'kill' }, { kind: 'lost', reason: 'expired' }])
  })

  test('is killed by the first step after the process slept through its deadline', () => {
    const played = running().tick(START_MS + 60_000)

    expect(played.effects).toEqual([{ kind: 'kill' }, { kind: 'lost', reason: 'expired' }])
  })

  test('is killed at once when a majority knows a later lease', () => {
    const played = running().renewed(START_MS + 500, START_MS + 520, 0, 2)

    expect(played.effects).toEqual([{ kind: 'kill' }, { kind: 'lost', reason: 'stale' }])
  })

  test('runs on and has its lease reaffirmed when only a minority does', () => {
    const played = running()
      .tick(START_MS + 500)
      .renewed(START_MS + 500, START_MS + 520, 2, 1)

    expect(played.kinds).toEqual(['write_deadline', 'reaffirm'])
  })
})

describe('an adopted container', () => {
  test('lives until a hold time after the start of the adoption, and is renewed like any', () => {
    const [hold, effects] = resumeHold(PROFILE, START_MS, START_MS + 100)

    expect(hold).toMatchObject({ container: 'running', deadlineMs: START_MS + HOLD_MS })
    expect(effects).toContainEqual({ kind: 'write_deadline', deadlineMs: START_MS + HOLD_MS })
    expect(effects).not.toContainEqual({ kind: 'start' })
    const [, later] = stepHold(hold, { kind: 'tick', nowMs: START_MS + PROFILE.renewEveryMs })
    expect(later[0]).toMatchObject({ kind: 'renew' })
  })

  test('of a lease that is nearly spent is renewed at once', () => {
    const nowMs = START_MS + HOLD_MS - PROFILE.startMsMin + 1
    const [, effects] = resumeHold(PROFILE, START_MS, nowMs)

    expect(effects).toContainEqual({ kind: 'renew', startedAtMs: nowMs })
  })

  test('is lost at once where the adoption took longer than the lease', () => {
    const [hold, effects] = resumeHold(PROFILE, START_MS, START_MS + HOLD_MS)

    expect(hold.lost).toBe('expired')
    expect(effects).toContainEqual({ kind: 'kill' })
  })
})

describe('what has ended stays ended', () => {
  test('a lost lease asks for nothing any more', () => {
    const played = running().tick(START_MS + HOLD_MS)
    played.renewed(START_MS + HOLD_MS, START_MS + HOLD_MS + 10, 3)
    expect(played.effects).toEqual([])
    played.step({ kind: 'ready', nowMs: START_MS + HOLD_MS + 10 })

    expect(played.effects).toEqual([])
    expect(mayStart(played.hold, START_MS)).toBe(false)
  })

  test('our own report looks stale to the witnesses and is no loss', () => {
    const played = running().step({ kind: 'gone', nowMs: START_MS + 100 })
    played.step({ kind: 'proposed', nowMs: START_MS + 100 })
    played.renewed(START_MS + 110, START_MS + 120, 0, 3)

    expect(played.kinds).toEqual([])
  })

  test('a lease whose container is gone asks for no tick after its deadline', () => {
    const played = running().step({ kind: 'gone', nowMs: START_MS + 100 })
    played.tick(START_MS + HOLD_MS + 1)

    expect(played.effects).toEqual([])
  })
})

describe('a witness that refuses renewals', () => {
  const round = (played: Played, change: Partial<Extract<LeaseEvent, { kind: 'renewed' }>>) =>
    played.step({
      kind: 'renewed',
      startedAtMs: START_MS + 500,
      nowMs: START_MS + 510,
      oks: 2,
      stale: 0,
      quorum: 2,
      cancel: undefined,
      ...change
    })

  test.each([
    ['fenced', { fenced: 1 }],
    ['stale', { stale: 1 }]
  ])('as %s has the lease reaffirmed, one at a time', (_name, change) => {
    const played = running()

    expect(round(played, change).kinds).toContain('reaffirm')
    expect(round(played, change).kinds).not.toContain('reaffirm')
    played.step({ kind: 'reaffirmed', nowMs: START_MS + 520 })
    expect(round(played, change).kinds).toContain('reaffirm')
    played.step({ kind: 'reaffirmed', nowMs: START_MS + 520 })
    expect(round(played, {}).kinds).not.toContain('reaffirm')
  })

  test('changes nothing for a lease that is over, lost or reported', () => {
    const late = START_MS + HOLD_MS
    const over = round(running(), { fenced: 1, nowMs: late })
    const lost = round(running(), { stale: 2 })
    const reported = running().step({ kind: 'proposed', nowMs: START_MS + 20 })

    expect(over.kinds).not.toContain('reaffirm')
    expect(lost.kinds).not.toContain('reaffirm')
    expect(round(reported, { fenced: 1 }).kinds).not.toContain('reaffirm')
  })
})

test('a cancel is passed on once, and not after the report', () => {
  const cancel = { by: 'user', reason: 'no longer needed' }
  const event = {
    kind: 'renewed',
    startedAtMs: START_MS + 500,
    nowMs: START_MS + 510,
    oks: 3,
    stale: 0,
    quorum: 2,
    cancel
  } as const
  const played = running().step(event)
  expect(played.effects).toContainEqual({ kind: 'cancel', flag: cancel })
  expect(played.step(event).kinds).not.toContain('cancel')
  const reported = running().step({ kind: 'proposed', nowMs: START_MS + 400 })

  expect(reported.step(event).kinds).not.toContain('cancel')
})

const arbitraryStep = fc.record({
  kind: fc.constantFrom('tick', 'ready', 'renewed', 'renewed', 'renewed', 'gone', 'proposed'),
  afterMs: fc.integer({ min: 0, max: 700 }),
  roundMs: fc.integer({ min: 0, max: 500 }),
  oks: fc.integer({ min: 0, max: 3 }),
  stale: fc.integer({ min: 0, max: 1 })
})

/** Plays all steps; `check` sees the lease after each, and when the last quorum's round started. */
function whateverHappens(check: (played: Played, nowMs: number, heardMs: number) => void): void {
  const play = (steps: readonly StepOf<typeof arbitraryStep>[]) => {
    const played = new Played(START_MS, START_MS + 10)
    let nowMs = START_MS + 10
    let heardMs = START_MS
    for (const { kind, afterMs, roundMs, oks, stale } of steps) {
      nowMs += afterMs
      if (kind === 'renewed') played.renewed(nowMs - roundMs, nowMs, oks, stale)
      else played.step({ kind, nowMs })
      if (kind === 'renewed' && oks >= 2) heardMs = Math.max(heardMs, nowMs - roundMs)
      check(played, nowMs, heardMs)
    }
  }
  fc.assert(fc.property(fc.array(arbitraryStep, { maxLength: 40 }), play))
}

type StepOf<Arbitrary> = Arbitrary extends fc.Arbitrary<infer Value> ? Value : never

describe('whatever happens', () => {
  const isAlive = ({ hold }: Played) => hold.container === 'running' && hold.lost === undefined

  test('a container only runs while a quorum was heard, less than a hold time before', () => {
    whateverHappens((played, nowMs, heardMs) => {
      if (isAlive(played)) expect(nowMs).toBeLessThan(heardMs + HOLD_MS)
      expect(played.hold.deadlineMs).toBeLessThanOrEqual(heardMs + HOLD_MS)
    })
  })

  test('a running container always has a next tick, at its deadline at the latest', () => {
    whateverHappens((played, nowMs) => {
      if (!isAlive(played)) return
      expect(played.wakeMs).toBeGreaterThanOrEqual(nowMs)
      expect(played.wakeMs).toBeLessThanOrEqual(played.hold.deadlineMs)
    })
  })
})
