import { describe, expect, test } from 'vitest'
import type { RegisterValue } from '../../protocol/core/messages.ts'
import { DIGEST } from '../support/arbitrary-register.ts'
import { cancel, claim, complete, create, jobAfter, release } from '../support/job-ops.ts'
import { checkCancelled, checkEndedAtOnce } from './checks/cancelled.ts'
import { checkOneLeaseAClaim } from './checks/i05-one-lease-a-claim.ts'
import { checkEarlyStart } from './checks/i06-early-start.ts'
import { checkI6 } from './checks/i06-one-lease.ts'
import { checkOneProcess } from './checks/i06-one-process.ts'
import { checkDeadlineOfLease } from './checks/i07-deadline-of-lease.ts'
import { checkGoneFirst } from './checks/i07-gone-first.ts'
import { checkI7 } from './checks/i07-one-container.ts'
import { checkI8 } from './checks/i08-no-late-start.ts'
import { checkOneLog } from './checks/one-log.ts'
import type { Fact } from './events.ts'
import { chosen, LEASED, PLACE, proposes, QUEUED, takes, verdict } from './traces.ts'

/*
 * A checker that cannot fail is worthless: each of those about leases is shown a trace that breaks
 * its invariant, and one that nearly does.
 */

describe('I6', () => {
  const holds = (claimId: string, untilMs: number): Fact => ({
    kind: 'holds',
    by: claimId,
    boot: 'boot',
    job: 'RUN.0',
    epoch: 1,
    claimId,
    untilMs
  })

  test('sees two holders at one instant', () => {
    expect(verdict(checkI6(), holds('one', 5_000), holds('two', 6_000))).toMatch('I6')
    expect(verdict(checkI6(), holds('one', 900), holds('two', 6_000))).toBeUndefined()
    const letsGo: Fact = { kind: 'lets_go', claimId: 'one' }
    expect(verdict(checkI6(), holds('one', 5_000), letsGo, holds('two', 6_000))).toBeUndefined()
  })
})

describe('I6, of processes', () => {
  const adopted = (number: number): RegisterValue => {
    const lease = LEASED.lease && { ...LEASED.lease, boot: `boot${number}` }
    const adoption = { number, opId: 'op', sig: 'sig' }
    const prevHash = DIGEST.hash(LEASED)
    return { ...LEASED, version: 3, prevHash, lease: lease && { ...lease, adoption } }
  }
  const renews = (boot: string): Fact => ({
    kind: 'renews',
    store: 's',
    place: PLACE,
    claimId: 'one',
    boot,
    localMs: 0
  })

  test('sees a renewal for a process that was replaced', () => {
    const before = LEASED.lease?.boot ?? ''
    const trace = [takes(LEASED, 2, QUEUED, 0), renews(before), takes(adopted(1), 3, LEASED, 0)]
    expect(verdict(checkOneProcess(), ...trace, renews(before))).toMatch('replaced')
    expect(verdict(checkOneProcess(), ...trace, renews('boot1'))).toBeUndefined()
  })

  test('sees an adoption out of turn', () => {
    const trace = [chosen(LEASED, 2)]
    expect(verdict(checkOneProcess(), ...trace, chosen(adopted(2), 3))).toMatch('adoption 0 to 2')
    expect(verdict(checkOneProcess(), ...trace, chosen(adopted(1), 3))).toBeUndefined()
  })
})

describe('I6, where a lease begins', () => {
  const holds = (untilMs: number): Fact => {
    const { claimId = '', boot = '' } = LEASED.lease ?? {}
    return { kind: 'holds', by: 'agent', boot, job: 'RUN.0', epoch: 1, claimId, untilMs }
  }

  test('sees one that counts from its answers', () => {
    const holdMs = LEASED.lease?.leaseMs === 3_000 ? 2_200 : 27_000
    expect(verdict(checkEarlyStart(), proposes(LEASED, 1), holds(holdMs))).toBeUndefined()
    expect(verdict(checkEarlyStart(), proposes(LEASED, 1), holds(holdMs + 900))).toMatch('later')
  })
})

describe('the log', () => {
  const logs = (first: number, last: number, line: number): Fact => {
    return { kind: 'logs', job: 'RUN.0', epoch: 1, first, last, line }
  }

  test('has each line once, and none is left out', () => {
    expect(verdict(checkOneLog(), logs(1, 2, 1), logs(4, 4, 4))).toMatch('comes after 2')
    expect(verdict(checkOneLog(), logs(1, 2, 1), logs(3, 4, 1))).toMatch('line 1')
    expect(verdict(checkOneLog(), logs(1, 2, 1), logs(1, 3, 1))).toBeUndefined()
  })
})

describe('I7 and I8', () => {
  const userCode = (claimId: string, untilMs: number): Fact => ({
    kind: 'user_code',
    host: 'host',
    job: 'RUN.0',
    epoch: 1,
    claimId,
    untilMs
  })
  const ends = (claimId: string): Fact => ({ kind: 'ends', claimId, exit: 0 })

  test('see two containers', () => {
    expect(verdict(checkI7(800), userCode('one', 9_000), userCode('two', 9_000))).toMatch('I7')
    const after = [userCode('one', 9_000), ends('one'), userCode('two', 9_000)]
    expect(verdict(checkI7(800), ...after)).toBeUndefined()
  })

  test('see a container that outlives its deadline', () => {
    const tick: Fact = { kind: 'fault', what: 'none', whom: '' }
    expect(verdict(checkI7(800), userCode('one', 900), tick, tick)).toMatch('outlives')
  })

  const deadline = (claimId: string, untilMs: number): Fact => {
    return { kind: 'deadline', host: 'host', claimId, untilMs }
  }

  test('see a deadline that is later than the lease', () => {
    const holds = (untilMs: number): Fact => {
      const rest = { by: 'agent', boot: 'boot', job: 'RUN.0', epoch: 1, claimId: 'one' }
      return { kind: 'holds', ...rest, untilMs }
    }
    const tick: Fact = { kind: 'fault', what: 'none', whom: '' }
    expect(verdict(checkDeadlineOfLease(), holds(500), deadline('one', 900), tick)).toMatch('later')
    const renewed = [holds(500), deadline('one', 900), holds(900), tick]
    expect(verdict(checkDeadlineOfLease(), ...renewed)).toBeUndefined()
  })

  test('see a deadline that is put off after it has come', () => {
    const late = [userCode('one', 500), deadline('one', 5_000)]
    expect(verdict(checkI7(800), ...late)).toMatch('put off')
    const early = [userCode('one', 1_500), deadline('one', 5_000)]
    expect(verdict(checkI7(800), ...early)).toBeUndefined()
  })

  test('know that what sleeps runs nothing, and is over soon after it wakes', () => {
    const sleeps: Fact = { kind: 'sleeps', host: 'host', untilMs: 2_500 }
    const tick: Fact = { kind: 'fault', what: 'none', whom: '' }
    const trace = [sleeps, userCode('one', 1_200), userCode('two', 9_000)]
    expect(verdict(checkI7(800), ...trace)).toBeUndefined()
    expect(verdict(checkI7(800), ...trace, tick, tick)).toMatch('outlives')
  })

  test('see a lease that is given back before its container is gone', () => {
    const starts = { kind: 'starts', claimId: 'one' } as const
    const { op } = jobAfter(create(), claim('peerA', 'one'), release('peerA', 1, 'one'))
    const hears: Fact = { kind: 'hears', place: PLACE, op, answer: 'applied', base: '' }
    expect(verdict(checkGoneFirst(), starts, hears)).toMatch('I7')
    expect(verdict(checkGoneFirst(), starts, { ...starts, kind: 'stops' }, hears)).toBeUndefined()
  })

  test('see a late start', () => {
    expect(verdict(checkI8(250), userCode('one', -300))).toMatch('I8')
    expect(verdict(checkI8(250), userCode('one', 300))).toBeUndefined()
  })
})

describe('a cancel', () => {
  const flagged = jobAfter(create(), claim('peerA', 'one'), cancel(60_000))
  const runs = (epoch: number): Fact => {
    const rest = { host: 'host', job: 'RUN.0', claimId: `c${epoch}`, untilMs: 90_000 }
    return { kind: 'user_code', ...rest, epoch }
  }

  test('is seen to have an attempt after it', () => {
    expect(verdict(checkCancelled(), chosen(flagged, 3), runs(2))).toMatch('after its cancel')
    expect(verdict(checkCancelled(), chosen(flagged, 3), runs(1))).toBeUndefined()
  })

  test('is seen to have another outcome than steps that were told to end', () => {
    const ended = jobAfter(create(), claim('peerA', 'one'), complete('peerA', 1, 'one'))
    const told: Fact = { kind: 'told_to_end', claimId: 'one' }
    expect(verdict(checkCancelled(), told, chosen(ended, 4))).toMatch('told to end')
    expect(verdict(checkCancelled(), chosen(ended, 4))).toBeUndefined()
  })

  test('is seen to wait where lease or network is lost', () => {
    const lost: Fact = { kind: 'must_end', claimId: 'one' }
    const tick: Fact = { kind: 'fault', what: 'none', whom: '' }
    expect(verdict(checkEndedAtOnce(), lost, tick)).toMatch('not ended')
    const [at, ended] = [
      { ...lost, atMs: 5 },
      { kind: 'removes', claimId: 'one', atMs: 5 } as const
    ]
    const check = checkEndedAtOnce()
    expect([at, ended, { ...tick, atMs: 6 }].map(check)).toEqual([undefined, undefined, undefined])
  })
})

describe('a claim', () => {
  test('is seen to be counted in two epochs', () => {
    const twice = { ...LEASED, epoch: 2 }
    expect(verdict(checkOneLeaseAClaim(), chosen(LEASED, 2), chosen(twice, 3))).toMatch('counted')
    expect(verdict(checkOneLeaseAClaim(), chosen(LEASED, 2), chosen(LEASED, 3))).toBeUndefined()
  })
})
