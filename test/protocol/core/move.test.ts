import { describe, expect, test } from 'vitest'
import type { AcceptorContext, AcceptorState } from '../../../protocol/core/acceptor.ts'
import { accept, acceptorOf, renew } from '../../../protocol/core/acceptor.ts'
import { Board } from '../../../protocol/core/board.ts'
import { permits } from '../../../protocol/core/guard.ts'
import type { JobState } from '../../../protocol/core/job.ts'
import type { RegisterValue } from '../../../protocol/core/messages.ts'
import { epochProblem, landingOf, phaseShown } from '../../../protocol/core/move.ts'
import { valueProblem } from '../../../protocol/core/value-rules.ts'
import {
  acceptOf,
  ballot,
  context,
  holding,
  renewOf,
  START_MS,
  take
} from '../../support/acceptor-calls.ts'
import { DIGEST, JOB } from '../../support/arbitrary-register.ts'
import {
  adopt,
  cancel,
  claim,
  complete,
  create,
  fail,
  jobAfter,
  op,
  reduceOp,
  release
} from '../../support/job-ops.ts'

const create3 = create()
const claimA = claim('peerA', 'c1')
const queued = jobAfter(create3)
const held = jobAfter(create3, claimA)
const moveTo = (witnessEpoch: number) =>
  op('gateway', { kind: 'move', witnessEpoch, reason: 'a witness is gone' })
const skip = () => op('gateway', { kind: 'skip', reason: 'not wanted' })
const to2 = moveTo(2)
const gone = jobAfter(create3, claimA, to2)
const TAKE_MS = 3_500

describe('skip', () => {
  test('ends a job that nobody has claimed, without an outcome', () => {
    const job = jobAfter(create3, skip())

    expect(job).toMatchObject({ phase: 'skipped', outcome: undefined, version: 2 })
    expect(valueProblem(JOB, job)).toBeUndefined()
    expect(reduceOp(job, claimA)).toEqual({ kind: 'reject', reason: 'terminal' })
  })

  test('of a claimed job is refused: its own code may have run', () => {
    expect(reduceOp(held, skip())).toEqual({ kind: 'reject', reason: 'not_allowed' })
  })
})

describe('move', () => {
  test.each([
    ['a queued job', queued, undefined],
    ['a leased one, with its lease', held, held.lease],
    ['a cancelled one that still runs', jobAfter(create3, claimA, cancel()), held.lease]
  ])('stops %s', (_name, before, lease) => {
    const made = reduceOp(before, to2)
    if (made.kind !== 'next') throw new Error(JSON.stringify(made))

    expect(made.value).toMatchObject({ phase: 'moved', moved: { witnessEpoch: 2 }, lease })
    expect(made.value.epoch).toBe(before.epoch)
    expect(valueProblem(JOB, made.value)).toBeUndefined()
  })

  test('lets nothing more be done here, and says why', () => {
    const ops = [claim('peerB', 'c2'), complete('peerA', 1, 'c1'), cancel(), moveTo(3)]
    for (const next of [...ops, release('peerA', 1, 'c1'), adopt('peerA', 1, 'c1', 1)]) {
      expect(reduceOp(gone, next)).toEqual({ kind: 'reject', reason: 'moved' })
    }
    expect(reduceOp(gone, to2)).toEqual({ kind: 'same' })
  })

  test('of what has ended, or nowhere, is refused', () => {
    const ended = jobAfter(create3, claimA, complete('peerA', 1, 'c1'))

    expect(reduceOp(ended, to2)).toEqual({ kind: 'reject', reason: 'terminal' })
    expect(reduceOp(held, moveTo(0))).toEqual({ kind: 'reject', reason: 'invalid' })
    expect(reduceOp(undefined, to2)).toEqual({ kind: 'reject', reason: 'absent' })
  })
})

describe('the landing', () => {
  const landed = landingOf(gone)

  test('is the same for whoever makes it, with the lease, epoch and attempts that were', () => {
    expect(landed).toMatchObject({ phase: 'leased', lease: held.lease, epoch: 1, attempts: 1 })
    expect(landed && DIGEST.hash(landed)).toBe(DIGEST.hash(landingOf(gone) ?? gone))
    expect(landed && valueProblem(JOB, landed)).toBeUndefined()
    expect(landingOf(jobAfter(create3, to2))?.phase).toBe('queued')
    expect(landingOf(held)).toBeUndefined()
  })

  test('takes ops as the job did before', () => {
    if (landed === undefined) throw new Error('it is there')
    const ended = reduceOp(landed, complete('peerA', 1, 'c1'))

    expect(ended).toMatchObject({ value: { phase: 'failed', version: 4 } })
  })

  test('has its place at the new witnesses, and the stop-sign at the old ones', () => {
    expect(epochProblem(gone, 1)).toBeUndefined()
    expect(landed && epochProblem(landed, 2)).toBeUndefined()
    expect(epochProblem(gone, 2)).toBeDefined()
    expect(landed && epochProblem(landed, 1)).toBeDefined()
    expect(epochProblem(held, 1)).toBeUndefined()
  })

  test('begins its lease anew at a new witness', () => {
    if (landed === undefined) throw new Error('it is there')
    const state = at2(acceptorOf(undefined, 0), landed, START_MS)

    expect(state.timer.renewedAtMs).toBe(START_MS)
    // It was chosen where it comes from: no other past is honest.
    expect(state).toMatchObject({ confirmed: true, confirmedBoot: false })
    const item = { ...renewOf(1, 'peerA', 'c1') }
    expect(renew(state, item, context({ nowMs: START_MS })).result.answer).toBe('ok')
  })
})

/** Accepts under witness epoch 2, or throws. */
function at2(state: AcceptorState, value: RegisterValue, nowMs: number): AcceptorState {
  const request = acceptOf(ballot(1), value)
  const scope = { ...request.scope, witnessEpoch: 2 }
  const step = accept(state, { ...request, scope }, context({ nowMs }))
  if (step.reply.kind !== 'accepted') throw new Error(JSON.stringify(step.reply))
  return step.state
}

describe('a witness of a moved job', () => {
  const now = context({ nowMs: START_MS + 1 })

  test('answers renewals with the stop-sign, once that is synced', () => {
    const state = take(holding(held), ballot(2), gone, START_MS)
    const step = renew(state, renewOf(1, 'peerA', 'c1'), now)

    expect(step).toMatchObject({ durability: 'barrier', result: { answer: 'moved', moved: gone } })
    expect(step.state).toBe(state)
  })

  test('shows no stop-sign with any other answer', () => {
    const { result } = renew(holding(held), renewOf(1, 'peerA', 'c1'), now)

    expect(result).not.toHaveProperty('moved')
  })

  test('is not led back by a landing that is played at the old place', () => {
    const landed = landingOf(gone)
    const state = take(holding(held), ballot(2), gone, START_MS)
    const reply = landed && accept(state, acceptOf(ballot(3), landed), now).reply

    expect(reply).toMatchObject({ kind: 'rejected', code: 'invalid' })
  })

  test('guards the lease in it as before: the stop-sign may not be chosen', () => {
    const ALIVE = { leftMs: 1, confirmed: true, confirmedBoot: true }
    const moved = take(holding(held), ballot(2), gone, START_MS)
    const taken = jobAfter(create3, claimA, claim('peerB', 'c2'))
    const at = (value: JobState, change: Partial<AcceptorContext>) =>
      accept(moved, acceptOf(ballot(3), value), context(change)).reply

    expect(permits(held, gone, ALIVE)).toBe(true)
    expect(permits(gone, held, ALIVE)).toBe(true)
    expect(permits(gone, queued, ALIVE)).toBe(false)
    expect(at(taken, { nowMs: START_MS + TAKE_MS - 1 })).toMatchObject({ code: 'lease_alive' })
    expect(at(taken, { nowMs: START_MS + TAKE_MS })).toMatchObject({ kind: 'accepted' })
  })

  test('lets no stop-sign hide that a living lease was left out', () => {
    const ALIVE = { leftMs: 1, confirmed: true, confirmedBoot: true }
    const bare = jobAfter(create3, to2)

    expect(permits(held, bare, ALIVE)).toBe(false)
    expect(permits(held, bare, { ...ALIVE, leftMs: 0 })).toBe(true)
  })

  test('keeps knowing that its lease was renewed', () => {
    const renewed = renew(holding(held), renewOf(1, 'peerA', 'c1'), now).state
    const state = take(renewed, ballot(2), gone, START_MS + 2)

    expect(state).toMatchObject({ confirmed: true, confirmedBoot: true })
    expect(acceptorOf(state.record, 0)).toMatchObject({ confirmed: true })
  })
})

test('a moved job is shown as it was', () => {
  expect(phaseShown(gone)).toBe('leased')
  expect(phaseShown(jobAfter(create3, to2))).toBe('queued')
  expect(phaseShown(undefined)).toBe('queued')
  expect(phaseShown(jobAfter(create(1), claimA, fail('agent_lost')))).toBe('errored')
  expect(new Board().foldJob(gone, 0)).toBe(false)
})

describe('a value with a move that no reducer makes', () => {
  const rows: readonly (readonly [string, JobState])[] = [
    ['to another epoch than its op says', { ...gone, moved: { witnessEpoch: 3 } }],
    ['without its target', { ...gone, moved: undefined }],
    ['with an outcome', { ...gone, outcome: jobAfter(create3, cancel()).outcome }],
    ['a target without a move', { ...held, moved: { witnessEpoch: 2 } }],
    ['a move that ends the job', { ...gone, phase: 'skipped', moved: undefined, lease: undefined }],
    ['a skip of a leased job', { ...jobAfter(create3, skip()), lease: held.lease }]
  ]

  test.each(rows)('%s is refused', (_name, value) => {
    expect(valueProblem(JOB, value)).toBeDefined()
  })
})
