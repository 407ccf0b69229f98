import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { AcceptorState } from '../../../protocol/core/acceptor.ts'
import { accept, acceptorOf, prepare, renew } from '../../../protocol/core/acceptor.ts'
import { compareBallots } from '../../../protocol/core/ballot.ts'
import { leasedJob } from '../../../protocol/core/lease-timer.ts'
import {
  acceptOf,
  ballot,
  context,
  fresh,
  prepareOf,
  renewOf,
  START_MS
} from '../../support/acceptor-calls.ts'
import { arbitraryHistory, DIGEST } from '../../support/arbitrary-register.ts'

/** Anything that can reach a witness, in any order; values are those of one job's real life. */
const arbitraryEvent = fc.record({
  kind: fc.constantFrom('prepare', 'accept', 'accept', 'renew', 'restart'),
  round: fc.integer({ min: 1, max: 8 }),
  peer: fc.constantFrom('peerA', 'peerB'),
  value: fc.nat(40),
  takeover: fc.boolean(),
  afterMs: fc.constantFrom(0, 500, 1_000, 3_499, 3_500)
})

type Event = typeof arbitraryEvent extends fc.Arbitrary<infer Value> ? Value : never
type History = typeof arbitraryHistory extends fc.Arbitrary<infer Value> ? Value : never

interface Step {
  readonly before: AcceptorState
  readonly after: AcceptorState
  readonly event: Event
  readonly nowMs: number
  readonly answer: string
}

function run({ states }: History, events: readonly Event[]): readonly Step[] {
  let nowMs = START_MS
  let state = fresh(nowMs)
  return events.map((event) => {
    nowMs += event.afterMs
    const before = state
    const [after, answer] = apply(before, states[event.value % states.length], event, nowMs)
    state = after
    return { before, after, event, nowMs, answer }
  })
}

function apply(
  state: AcceptorState,
  value: History['states'][number],
  event: Event,
  nowMs: number
): readonly [AcceptorState, string] {
  const at = ballot(event.round, event.peer)
  const facts = context({ nowMs, remote: event.peer })
  if (event.kind === 'restart') return [acceptorOf(state.record, nowMs), 'restarted']
  if (event.kind === 'prepare') {
    const step = prepare(state, prepareOf(at, event.takeover ? 'takeover' : 'op'), facts)
    return [step.state, step.reply.kind]
  }
  if (value === undefined) return [state, 'nothing']
  if (event.kind === 'accept') {
    const step = accept(state, acceptOf(at, value), facts)
    return [step.state, step.reply.kind]
  }
  const { holder, claimId, boot } = value.lease ?? { holder: 'peerA', claimId: 'c', boot: 'boot' }
  const item = { ...renewOf(value.epoch, holder, claimId), boot }
  const step = renew(state, item, context({ nowMs, remote: holder }))
  return [step.state, step.result.answer]
}

function checkAll(check: (step: Step, index: number, steps: readonly Step[]) => void): void {
  fc.assert(
    fc.property(
      arbitraryHistory,
      fc.array(arbitraryEvent, { maxLength: 40, size: 'max' }),
      (history, events) => run(history, events).forEach(check)
    ),
    // One seed: the last test counts what its histories reach, and one that reaches nothing is no
    // test.
    { numRuns: 150, seed: 20261123 }
  )
}

test('what a witness promised or accepted never goes back', () => {
  checkAll(({ before, after }) => {
    expect(compareBallots(after.record.promised, before.record.promised)).toBeGreaterThanOrEqual(0)
    const [was, is] = [before.record.accepted, after.record.accepted]
    if (was === undefined) return
    expect(compareBallots(is?.ballot ?? ballot(0), was.ballot)).toBeGreaterThanOrEqual(0)
  })
})

test('a witness says yes to one value per ballot', () => {
  fc.assert(
    fc.property(
      arbitraryHistory,
      fc.array(arbitraryEvent, { maxLength: 40, size: 'max' }),
      (history, events) => {
        const said = new Map<string, string>()
        for (const { after, answer } of run(history, events)) {
          const { accepted } = after.record
          if (answer !== 'accepted' || accepted === undefined) continue
          const key = JSON.stringify(accepted.ballot)
          const hash = DIGEST.hash(accepted.value)
          expect(said.get(key) ?? hash).toBe(hash)
          said.set(key, hash)
        }
      }
    )
  )
})

test('a promise is given once, and above every ballot before it', () => {
  checkAll(({ before, after, answer }) => {
    if (answer !== 'promise') return
    expect(compareBallots(after.record.promised, before.record.promised)).toBeGreaterThan(0)
  })
})

test('a lease that somebody else ends had been silent here for as long as it takes', () => {
  let ends = 0
  checkAll(({ before, after, nowMs }, index, steps) => {
    const held = leasedJob(before.record.accepted?.value)
    const next = after.record.accepted?.value
    if (held === undefined || next?.kind !== 'job' || after.record === before.record) return
    const ended = next.history.find(({ epoch }) => epoch === held.epoch)
    if (ended?.claimId !== held.lease.claimId || ended.end !== 'expired') return
    ends += 1
    // By the events alone, not by the timer of the witness under test.
    const heard = steps.slice(0, index).findLast((step) => {
      const lease = leasedJob(step.after.record.accepted?.value)?.lease
      const began = leasedJob(step.before.record.accepted?.value)?.lease.claimId
      const fresher = lease?.claimId === held.lease.claimId && began !== held.lease.claimId
      return fresher || step.answer === 'ok' || step.answer === 'restarted'
    })
    expect(nowMs - (heard?.nowMs ?? nowMs)).toBeGreaterThanOrEqual(3_500)
  })
  // Else the claim above would hold for nothing.
  expect(ends).toBeGreaterThan(0)
})
