import { describe, expect, test } from 'vitest'
import { accept, acceptorOf, renew } from '../../../protocol/core/acceptor.ts'
import { holdsLease } from '../../../protocol/core/lease.ts'
import { valueProblem } from '../../../protocol/core/value-rules.ts'
import {
  acceptOf,
  ballot,
  context,
  holding,
  promise,
  renewOf,
  START_MS,
  take
} from '../../support/acceptor-calls.ts'
import { JOB } from '../../support/arbitrary-register.ts'
import {
  adopt,
  cancel,
  claim,
  complete,
  create,
  jobAfter,
  op,
  reaffirm,
  reduceOp
} from '../../support/job-ops.ts'

const create3 = create()
const claimA = claim('peerA', 'c1')
const first = adopt('peerA', 1, 'c1', 1)
const held = jobAfter(create3, claimA)
const adopted = jobAfter(create3, claimA, first)
const TAKE_MS = 3_500

describe('adopt', () => {
  test('gives the lease to the new process, and changes nothing else of it', () => {
    expect(adopted).toMatchObject({ phase: 'leased', epoch: 1, attempts: 1, version: 3 })
    expect(adopted.lease).toMatchObject({ claimId: 'c1', boot: 'boot-peerA-1', leaseMs: 3_000 })
    expect(adopted.lease?.adoption).toEqual({ number: 1, opId: first.opId, sig: first.sig })
    expect(adopted.history).toEqual([])
    expect(valueProblem(JOB, adopted)).toBeUndefined()
    expect(holdsLease(adopted, { holder: 'peerA', claimId: 'c1', boot: 'boot-peerA-1' })).toBe(true)
    expect(holdsLease(adopted, { holder: 'peerA', claimId: 'c1', boot: 'boot-peerA' })).toBe(false)
  })

  test('keeps the cancel flag', () => {
    expect(jobAfter(create3, claimA, cancel(), first).cancel).toMatchObject({ by: 'user' })
  })

  test('that is sent again is the same', () => {
    expect(reduceOp(adopted, first)).toEqual({ kind: 'same' })
    expect(reduceOp(adopted, adopt('peerA', 1, 'c1', 1, 'another'))).toEqual({ kind: 'same' })
  })

  test('of an earlier process, played again over a later one, is refused', () => {
    const twice = jobAfter(create3, claimA, first, adopt('peerA', 1, 'c1', 2))
    const forgotten = { ...twice, lastOps: [] }

    expect(reduceOp(forgotten, first)).toEqual({ kind: 'reject', reason: 'stale_boot' })
    expect(reduceOp(held, adopt('peerA', 1, 'c1', 2))).toMatchObject({ reason: 'stale_boot' })
  })

  test('the new process ends the lease as the old one would have', () => {
    const ended = jobAfter(create3, claimA, first, complete('peerA', 1, 'c1'))

    expect(ended).toMatchObject({ phase: 'failed', history: [{ end: 'completed', epoch: 1 }] })
  })
})

describe('reaffirm', () => {
  test('makes a new version of the same lease', () => {
    const job = jobAfter(create3, claimA, reaffirm('peerA', 1, 'c1', 'boot-peerA'))

    expect(job).toMatchObject({ phase: 'leased', epoch: 1, version: 3, lease: held.lease })
    expect(valueProblem(JOB, job)).toBeUndefined()
  })

  test('is the present process’s alone', () => {
    const stale = { kind: 'reject', reason: 'stale_boot' }

    expect(reduceOp(held, reaffirm('peerA', 1, 'c1', 'boot-clone'))).toEqual(stale)
    expect(reduceOp(adopted, reaffirm('peerA', 1, 'c1', 'boot-peerA'))).toEqual(stale)
  })
})

describe.each([
  ['adopt', adopt],
  [
    'reaffirm',
    (actor: string, epoch: number, claimId: string) => reaffirm(actor, epoch, claimId, 'b')
  ]
] as const)('%s', (_name, make) => {
  test.each([
    ['another actor', make('peerB', 1, 'c1', 1), 'not_holder'],
    ['another claim', make('peerA', 1, 'c2', 1), 'not_holder'],
    ['an earlier epoch', make('peerA', 0, 'c1', 1), 'stale_epoch'],
    ['a later epoch', make('peerA', 2, 'c1', 1), 'stale_epoch']
  ] as const)('by %s is refused', (_what, next, reason) => {
    expect(reduceOp(held, next)).toEqual({ kind: 'reject', reason })
  })

  test('of a job that is over, or that nobody has, is refused', () => {
    const ended = jobAfter(create3, claimA, complete('peerA', 1, 'c1'))

    expect(reduceOp(ended, make('peerA', 1, 'c1', 1))).toMatchObject({ reason: 'terminal' })
    expect(reduceOp(jobAfter(create3), make('peerA', 0, 'c1', 1))).toMatchObject({
      reason: 'not_leased'
    })
    expect(reduceOp(undefined, make('peerA', 1, 'c1', 1))).toMatchObject({ reason: 'absent' })
  })
})

describe('a value that says so of itself', () => {
  const withLease = (change: object) => ({
    ...adopted,
    lease: adopted.lease && { ...adopted.lease, ...change }
  })
  const signed = { number: 1, opId: first.opId, sig: first.sig }
  const forged = [
    ['with another boot than was signed', withLease({ boot: 'other' })],
    ['with another number', withLease({ adoption: { ...signed, number: 2 } })],
    ['with a number that counts nothing', withLease({ adoption: { ...signed, number: 0 } })],
    ['without its adoption', withLease({ adoption: undefined })],
    ['by somebody else', { ...adopted, op: { ...adopted.op, actor: 'peerB' } }],
    ['of an earlier epoch', { ...adopted, epoch: 2 }],
    [
      'as a claim that was adopted at birth',
      { ...held, lease: held.lease && { ...held.lease, adoption: signed } }
    ]
  ] as const

  test.each(forged)('%s is none that a reducer makes', (_name, value) => {
    expect(valueProblem(JOB, value)).toBeDefined()
  })
})

describe('at a witness', () => {
  const late = START_MS + TAKE_MS
  const fenced = promise(holding(held), ballot(2, 'peerB'), late, 'takeover')

  test('an adoption begins the lease anew, fenced or not', () => {
    const state = take(fenced, ballot(3), adopted, late)

    expect(state.timer).toMatchObject({ renewedAtMs: late, fenced: false, stage: undefined })
  })

  test('a reaffirmation does, too', () => {
    const again = jobAfter(create3, claimA, reaffirm('peerA', 1, 'c1', 'boot-peerA'))
    const state = take(fenced, ballot(3), again, late)

    expect(state.timer).toMatchObject({ renewedAtMs: late, fenced: false })
    expect(renew(state, renewOf(1, 'peerA', 'c1'), context({ nowMs: late })).result.answer).toBe(
      'ok'
    )
  })

  test('after an adoption the old process is refused and the new one renewed', () => {
    const state = take(holding(held), ballot(2), adopted, START_MS)
    const old = renewOf(1, 'peerA', 'c1')
    const now = context({ nowMs: START_MS + 1 })

    expect(renew(state, old, now).result.answer).toBe('behind')
    const renewed = renew(state, { ...old, boot: 'boot-peerA-1' }, now)
    expect(renewed.result.answer).toBe('ok')
    expect(renewed.state).toMatchObject({ confirmed: true, confirmedBoot: true })
  })

  test('a lease that was renewed stays known as chosen over an adoption', () => {
    const now = context({ nowMs: START_MS + 1 })
    const renewed = renew(holding(held), renewOf(1, 'peerA', 'c1'), now).state
    const state = take(renewed, ballot(2), adopted, START_MS + 2)

    expect(state).toMatchObject({ confirmed: true, confirmedBoot: false })
    const past = accept(state, acceptOf(ballot(3), jobAfter(create3)), now)
    expect(past.reply).toMatchObject({ code: 'lease_alive' })
    expect(acceptorOf(state.record, START_MS)).toMatchObject({ confirmedBoot: true })
  })

  test('a lease is not given to a process that is dead', () => {
    const now = context({ nowMs: START_MS + 1 })
    const item = { ...renewOf(1, 'peerA', 'c1'), boot: 'boot-peerA-1' }
    const renewed = renew(take(holding(held), ballot(2), adopted, START_MS), item, now).state
    // Made up: a flag on the lease as it was before the adoption.
    const back = { ...jobAfter(create3, claimA, cancel()), prevHash: 'of nothing known here' }

    expect(accept(renewed, acceptOf(ballot(3), back), now).reply).toMatchObject({
      code: 'lease_alive'
    })
  })

  test('a value with an op of the wrong kind for its lease is refused', () => {
    const wrong = {
      ...adopted,
      op: op('peerA', { kind: 'reaffirm', epoch: 1, claimId: 'c1', boot: 'x' })
    }

    expect(valueProblem(JOB, wrong)).toBeDefined()
  })
})
