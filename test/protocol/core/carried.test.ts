import { describe, expect, test } from 'vitest'
import { type AcceptorState, accept, prepare } from '../../../protocol/core/acceptor.ts'
import { type Carried, carriedBallot } from '../../../protocol/core/carried.ts'
import type { JobOp } from '../../../protocol/core/job.ts'
import {
  acceptOf,
  ballot,
  context,
  fresh,
  holding,
  prepareOf,
  promise,
  START_MS,
  take
} from '../../support/acceptor-calls.ts'
import { cancel, claim, complete, create, fail, jobAfter, release } from '../../support/job-ops.ts'
import { acceptedOf, PlayedChange, requestOf, valueReply } from '../../support/proposer-calls.ts'

const create3 = create()
const claimA = claim('peerA', 'c1')
const queued = jobAfter(create3)
const heldByA = jobAfter(create3, claimA)

describe('a witness, with the accept of a lease by its holder', () => {
  test('promises the holder its next round in the same record', () => {
    const step = accept(fresh(), acceptOf(ballot(4), heldByA), context())

    expect(step.durability).toBe('save')
    expect(step.state.record).toMatchObject({
      promised: ballot(5),
      accepted: { ballot: ballot(4) }
    })
  })

  test('promises nothing besides to anybody else, nor where nothing is leased', () => {
    const byOther = take(fresh(), ballot(4, 'peerB'), heldByA, START_MS)
    const toNobody = take(fresh(), ballot(4), queued, START_MS)

    expect(byOther.record.promised).toEqual(ballot(4, 'peerB'))
    expect(toNobody.record.promised).toEqual(ballot(4))
  })

  test('promises nothing besides where another member relays it', () => {
    const relayed = context({ remote: 'peerB', proposalValid: true })
    const step = accept(fresh(), acceptOf(ballot(4), heldByA), relayed)

    expect(step.reply.kind).toBe('accepted')
    expect(step.state.record.promised).toEqual(ballot(4))
  })

  test('makes up for that once the holder brings it itself', () => {
    const relayed = accept(
      fresh(),
      acceptOf(ballot(4), heldByA),
      context({ remote: 'peerB' })
    ).state
    const step = accept(relayed, acceptOf(ballot(4), heldByA), context())

    expect(step).toMatchObject({ reply: { kind: 'accepted' }, durability: 'save' })
    expect(step.state.record.promised).toEqual(ballot(5))
  })

  test('says yes again to what it accepted, and promises no less than before', () => {
    const state = holding(heldByA, ballot(4))
    const later = promise(state, ballot(9, 'peerB'), START_MS)

    for (const before of [state, later]) {
      const step = accept(before, acceptOf(ballot(4), heldByA), context())
      expect(step).toMatchObject({ reply: { kind: 'accepted' }, durability: 'barrier' })
      expect(step.state).toBe(before)
    }
  })

  test('lets no other round come between', () => {
    const state = holding(heldByA, ballot(4))
    const between = [ballot(4, 'peerZ'), ballot(5, 'peer0'), ballot(5)]

    for (const at of between) {
      expect(prepare(state, prepareOf(at), context({ remote: at.peer })).reply).toMatchObject({
        kind: 'rejected',
        code: 'ballot',
        promised: ballot(5)
      })
    }
  })

  test('takes the next round without a prepare, and not once another has come', () => {
    const state = holding(heldByA, ballot(4))
    const ended = jobAfter(create3, claimA, complete('peerA', 1, 'c1'))
    const next = (from: AcceptorState) => accept(from, acceptOf(ballot(5), ended), context()).reply

    expect(next(state).kind).toBe('accepted')
    expect(next(promise(state, ballot(5, 'peerB'), START_MS))).toMatchObject({ code: 'ballot' })
  })
})

test('no ballot is promised that a number cannot hold', () => {
  const last = { ballot: ballot(Number.MAX_SAFE_INTEGER), value: heldByA }

  expect(carriedBallot(last)).toBeUndefined()
})

describe('a proposer', () => {
  const mine: Carried = { ballot: ballot(6), accepted: acceptedOf(heldByA, 5, 'peerA') }
  const end = complete('peerA', 1, 'c1')
  const start = (op: JobOp | undefined, more = {}) => {
    return new PlayedChange(requestOf({ op, carried: mine, ...more }))
  }

  test('sends its next op without a prepare, as what it makes of its own value', () => {
    const change = start(end)

    expect(change.message).toMatchObject({
      kind: 'accept',
      ballot: ballot(6),
      value: { phase: 'failed', version: heldByA.version + 1 }
    })
  })

  test('is applied with one quorum, and carries nothing on from an end', () => {
    const change = start(end)
    change.accepted('w1')
    change.accepted('w2')

    expect(change.result).toMatchObject({ kind: 'applied', highestRound: 6 })
    expect(change.result?.carried).toBeUndefined()
  })

  test('carries on what its accept of its own lease was promised besides', () => {
    const change = new PlayedChange(requestOf({ op: claimA }))
    for (const peer of ['w1', 'w2']) change.promise(peer, acceptedOf(queued, 0))
    for (const peer of ['w1', 'w2']) change.accepted(peer)

    expect(change.result).toMatchObject({
      kind: 'applied',
      carried: { ballot: ballot(2), accepted: { ballot: ballot(1) } },
      // The next change without it starts above it.
      highestRound: 2
    })
  })

  test('prepares a higher round where a witness says no', () => {
    const change = start(end)
    change.refuse('w1', 'ballot', 9)
    change.refuse('w2', 'ballot', 9)
    change.timer('backoff')
    expect(change.message?.kind).toBe('read')

    for (const peer of ['w1', 'w2']) change.reply(peer, valueReply(mine.accepted))
    expect(change.message).toMatchObject({ kind: 'prepare', ballot: ballot(10) })
  })

  test.each([
    ['a claim', claim('peerA', 'c2')],
    ['an error', fail('agent_lost')],
    ['a write-back', undefined]
  ])('asks first for %s: how long the lease still lives only a quorum knows', (_name, op) => {
    expect(start(op).message).toMatchObject({ kind: 'prepare', ballot: ballot(1) })
  })

  test('asks first with what another process, or another member, was promised', () => {
    expect(start(end, { boot: '0b' }).message?.kind).toBe('prepare')
    expect(start(end, { me: 'peerB' }).message?.kind).toBe('prepare')
  })

  test('writes back its own value where that refuses the op: only then is the no definite', () => {
    const change = start(release('peerA', 1, 'other'))
    expect(change.message).toMatchObject({ kind: 'accept', ballot: ballot(6), value: heldByA })

    change.accepted('w1')
    expect(change.result).toBeUndefined()
    change.accepted('w2')
    expect(change.result).toMatchObject({ kind: 'rejected', reason: 'not_holder' })
  })
})

describe('a create that goes with an op', () => {
  test.each([
    ['claim', claimA, heldByA],
    ['cancel', cancel(), undefined]
  ])('makes one value of both on an empty register: %s', (_name, op, value) => {
    const change = new PlayedChange(requestOf({ op, create: create3 }))
    for (const peer of ['w1', 'w2']) change.promise(peer)

    const expected = value ?? jobAfter(create3, op)
    expect(change.message).toMatchObject({ kind: 'accept', value: expected })
  })

  test('is left out where the register holds something', () => {
    const change = new PlayedChange(requestOf({ op: claimA, create: create() }))
    for (const peer of ['w1', 'w2']) change.promise(peer, acceptedOf(queued, 3))

    expect(change.message).toMatchObject({ kind: 'accept', value: heldByA })
  })

  test('tells no to an op that cannot be the second, and writes nothing', () => {
    const op = complete('peerA', 1, 'c1')
    const change = new PlayedChange(requestOf({ op, create: create3 }))
    for (const peer of ['w1', 'w2']) change.promise(peer)

    expect(change.result).toMatchObject({
      kind: 'rejected',
      reason: 'stale_epoch',
      chosen: undefined
    })
  })

  test('is taken by a witness that has never seen the first of the two', () => {
    const step = accept(fresh(), acceptOf(ballot(1), heldByA), context())
    const unannounced = context({ createValid: false })

    expect(step.reply.kind).toBe('accepted')
    expect(accept(fresh(), acceptOf(ballot(1), heldByA), unannounced).reply).toMatchObject({
      code: 'announcement_missing'
    })
  })
})
