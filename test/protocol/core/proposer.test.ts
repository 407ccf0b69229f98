import { describe, expect, test } from 'vitest'
import type { ProposerEvent } from '../../../protocol/core/change.ts'
import { CHANGE_ROUNDS_MAX } from '../../../protocol/core/limits.ts'
import { startChange, stepChange } from '../../../protocol/core/proposer.ts'
import { ballot } from '../../support/acceptor-calls.ts'
import { DIGEST } from '../../support/arbitrary-register.ts'
import { cancel, claim, complete, create, jobAfter } from '../../support/job-ops.ts'
import {
  acceptedOf,
  leaseOf,
  PlayedChange,
  requestOf,
  valueReply
} from '../../support/proposer-calls.ts'

const create3 = create()
const claimA = claim('peerA', 'c1')
const claimB = claim('peerB', 'c2')
const queued = acceptedOf(jobAfter(create3), 3)
const leased = acceptedOf(jobAfter(create3, claimA), 5)
const taken = acceptedOf(jobAfter(create3, claimA, claimB), 8)
const alive = leaseOf(1, 700)

const start = (op = claimA, more = {}) => new PlayedChange(requestOf({ op, ...more }))

/** Through both phases, so that the accept is out at all witnesses. */
function proposed(op = claimA): PlayedChange {
  const change = start(op)
  change.promise('w1', queued)
  change.promise('w2', queued)
  return change
}

describe('a change without trouble', () => {
  test('asks all witnesses, each for its own store, and takes a time', () => {
    const { effects } = start()

    const sends = effects.filter((effect) => effect.kind === 'send')
    expect(sends.map(({ to, message }) => [to, message.kind])).toEqual([
      ['w1', 'prepare'],
      ['w2', 'prepare'],
      ['w3', 'prepare']
    ])
    expect(sends[1]?.message).toMatchObject({ scope: { storeId: 'store-w2', witnessEpoch: 1 } })
    expect(effects.at(-1)).toMatchObject({ kind: 'arm', timer: 'request', afterMs: 400 })
  })

  test('proposes what its op makes of the newest value, signed, once a quorum promised', () => {
    const change = proposed()

    expect(change.message).toMatchObject({
      kind: 'accept',
      ballot: ballot(1),
      value: { phase: 'leased', epoch: 1 },
      announcement: undefined
    })
    expect(change.message).toMatchObject({ proposerSig: expect.stringMatching(/^[0-9a-f]{128}$/) })
  })

  test('sends no accept before it is signed, and what it sends then once', () => {
    const request = requestOf({ op: claimA })
    let [state, effects] = startChange(request, DIGEST)
    const step = (event: ProposerEvent): void => {
      ;[state, effects] = stepChange(state, event)
    }
    const promise = (from: string, attempt: number): void => {
      const reply = { kind: 'promise', ballot: ballot(1), accepted: queued } as const
      step({ kind: 'reply', from, attempt, reply: { ...reply, lease: undefined, wseq: 1 } })
    }
    promise('w1', 1)
    promise('w2', 1)
    expect(effects).toMatchObject([{ kind: 'sign', ballot: ballot(1), attempt: 2 }])

    // What is left of the wave before: the third promise, and its timer.
    promise('w3', 1)
    expect(effects).toEqual([])
    step({ kind: 'timer', timer: 'request', attempt: 1 })
    expect(effects).toEqual([])

    const signed = { kind: 'signed', attempt: 2, proposerSig: 'ours' } as const
    step(signed)
    expect(effects.map(({ kind }) => kind)).toEqual(['send', 'send', 'send', 'arm'])
    expect(effects[0]).toMatchObject({ message: { kind: 'accept', proposerSig: 'ours' } })
    step({ ...signed, proposerSig: 'another' })
    expect(effects).toEqual([])
    step({ ...signed, attempt: state.attempt, proposerSig: 'another' })
    expect(effects).toEqual([])
  })

  test('is applied once a quorum accepted, and not before', () => {
    const change = proposed()
    change.accepted('w1')
    expect(change.effects).toEqual([])
    change.accepted('w3')

    expect(change.result).toMatchObject({
      kind: 'applied',
      value: { phase: 'leased' },
      chosen: { ballot: ballot(1) },
      lagging: [],
      outstanding: ['w2'],
      highestRound: 3
    })
    change.accepted('w2')
    expect(change.effects).toEqual([])
  })

  test('names the witnesses that refused or failed, to be told later', () => {
    const change = proposed()
    change.refuse('w3', 'overload')
    change.accepted('w1')
    change.accepted('w2')

    expect(change.result).toMatchObject({
      lagging: ['w3'],
      outstanding: [],
      refused: [{ peer: 'w3', code: 'overload' }]
    })
  })

  test('with one witness needs that one', () => {
    const witnesses = [{ peerId: 'w1', storeId: 'store-w1', zone: 'w1' }]
    const change = start(claimA, { witnesses })
    change.promise('w1', queued)
    change.accepted('w1')

    expect(change.result).toMatchObject({ kind: 'applied' })
  })
})

describe('a request', () => {
  test('fences an expired lease only where it wants to end one', () => {
    expect(start(claimA).message).toMatchObject({ intent: 'takeover' })
    expect(start(cancel()).message).toMatchObject({ intent: 'op' })
  })

  test('carries the announcement with its own value only', () => {
    const announcement = new Uint8Array([1])
    const own = start(create3, { announcement })
    own.promise('w1')
    own.promise('w2')
    expect(own.message).toMatchObject({ announcement })

    const other = start(create3, {
      announcement,
      ann: { gateway: 'gateway2', gwSeq: 1, annHash: 'other' }
    })
    other.promise('w1', queued)
    other.promise('w2', queued)
    expect(other.message).toMatchObject({ kind: 'accept', announcement: undefined })
  })
})

describe('a no', () => {
  test('on an empty register needs no write-back', () => {
    const change = start(claimA)
    change.promise('w1')
    change.promise('w2')

    expect(change.result).toMatchObject({ kind: 'rejected', reason: 'absent', value: undefined })
  })

  test('is given only once the value it rests on is chosen', () => {
    const change = start(complete('peerB', 1, 'c1'))
    change.promise('w1', leased)
    change.promise('w2')
    expect(change.message).toMatchObject({ kind: 'accept', value: leased.value })
    change.accepted('w1')
    expect(change.result).toBeUndefined()
    change.accepted('w2')

    expect(change.result).toMatchObject({ kind: 'rejected', reason: 'not_holder' })
  })

  test('of a living lease is busy, once no witness can say otherwise', () => {
    const change = start(claimB)
    change.promise('w1', leased, alive)
    change.promise('w2', leased, leaseOf(1, 0))
    expect(change.effects).toEqual([])
    change.promise('w3', leased, leaseOf(1, 900))

    expect(change.result).toMatchObject({ kind: 'busy', retryInMs: 700, value: leased.value })
  })

  test('of a living lease does not wait for a silent witness longer than for any', () => {
    const change = start(claimB)
    change.promise('w1', leased, alive)
    change.promise('w2', leased, leaseOf(1, 0))
    change.timer('request')

    expect(change.result).toMatchObject({ kind: 'busy' })
  })

  test('turns into a take-over when the last witness saw the lease expire, too', () => {
    const change = start(claimB)
    change.promise('w1', leased, alive)
    change.promise('w2', leased, leaseOf(1, 0))
    change.promise('w3', leased, leaseOf(1, 0))

    expect(change.message).toMatchObject({ kind: 'accept', value: { epoch: 2 } })
  })
})

describe('once an accept was sent', () => {
  /** The accept reached nobody that answers; the next round finds what `found` says. */
  function retried(op: typeof claimA): PlayedChange {
    const change = proposed(op)
    change.timer('request')
    change.timer('backoff')
    expect(change.message?.kind).toBe('read')
    change.fail('w1')
    change.fail('w2')
    change.timer('backoff')
    return change
  }

  test('no failure is reported: the value may be chosen at any time', () => {
    const change = proposed()
    change.refuse('w1', 'ballot', 9)
    change.refuse('w2', 'ballot', 9)

    expect(change.result).toBeUndefined()
    expect(change.effects).toMatchObject([{ kind: 'arm', timer: 'backoff' }])
  })

  test('a late yes still completes it', () => {
    const change = proposed()
    change.accepted('w1')
    change.timer('request')
    change.accepted('w3')

    expect(change.result).toMatchObject({ kind: 'applied' })
  })

  test('a living lease of somebody else is written back before it is a no', () => {
    const change = retried(claimB)
    change.reply('w1', valueReply(leased, alive))
    change.reply('w2', valueReply(undefined))
    expect(change.message?.kind).toBe('prepare')
    change.promise('w1', leased, alive)
    change.promise('w2', leased, alive)
    change.promise('w3', leased, alive)
    expect(change.message).toMatchObject({ kind: 'accept', value: leased.value })
    change.accepted('w1')
    change.accepted('w2')

    expect(change.result).toMatchObject({ kind: 'busy', retryInMs: 700 })
  })

  test('an empty register is no no: the accept may surface again', () => {
    const change = retried(claimA)
    change.reply('w1', valueReply(undefined))
    change.reply('w2', valueReply(undefined))
    change.promise('w1')
    change.promise('w2')

    expect(change.result).toBeUndefined()
    expect(change.effects).toMatchObject([{ kind: 'arm', timer: 'backoff' }])
  })

  test('finding its own op in what is chosen is the same, with what is there now', () => {
    const change = retried(claimA)
    change.reply('w1', valueReply(taken))
    change.reply('w2', valueReply(taken))

    expect(change.result).toMatchObject({ kind: 'same', value: { lease: { holder: 'peerB' } } })
  })

  test('a change that follows an open one treats it in the same way', () => {
    const change = start(claimB, { ambiguous: true })
    for (const witness of ['w1', 'w2', 'w3']) change.promise(witness, leased, alive)

    expect(change.message).toMatchObject({ kind: 'accept', value: leased.value })
  })
})

describe('trouble', () => {
  test('a majority of no ends the round at once', () => {
    const change = start()
    change.refuse('w1', 'ballot', 4)
    expect(change.effects).toEqual([])
    change.refuse('w2', 'ballot', 7)

    expect(change.effects).toMatchObject([{ kind: 'arm', timer: 'backoff', maxMs: 50 }])
  })

  test('the next round is above everything heard, also from answers that came too late', () => {
    const change = start()
    const first = change.state.attempt
    change.fail('w1')
    change.fail('w2')
    change.reply(
      'w3',
      {
        kind: 'rejected',
        code: 'ballot',
        promised: ballot(41),
        remainingMs: undefined,
        detail: ''
      },
      first
    )
    change.timer('backoff')
    change.reply('w1', valueReply(queued))
    change.reply('w2', valueReply(leased))

    expect(change.message).toMatchObject({ kind: 'prepare', ballot: { round: 42 } })
  })

  test('a round is never lowered, however little is heard of others', () => {
    const change = start(claimA, { firstRound: 30 })
    const rounds: number[] = []
    for (let round = 0; round < 5; round += 1) {
      rounds.push(change.round)
      change.refuse('w1', 'overload')
      change.refuse('w2', 'ballot', 2)
      change.timer('backoff')
      change.reply('w1', valueReply(queued))
      change.reply('w2', valueReply(leased))
    }

    expect(rounds).toEqual([30, 31, 32, 33, 34])
  })
})

describe('a change comes to an end', () => {
  test('each wait is longer than the one before, up to a limit', () => {
    const change = start()
    const waits: number[] = []
    for (let round = 0; round < 8; round += 1) {
      change.timer('request')
      const [effect] = change.effects
      if (effect?.kind === 'arm' && effect.timer === 'backoff') waits.push(effect.maxMs)
      change.timer('backoff')
    }

    expect(waits).toEqual([50, 100, 200, 400, 800, 1_600, 2_000, 2_000])
  })

  test('without a quorum it ends as unresolved, after so many rounds', () => {
    const change = start()
    let rounds = 0
    while (change.result === undefined && rounds < 1_000) {
      rounds += 1
      if (rounds > 1) change.timer('backoff')
      change.refuse('w1', 'overload')
      change.timer('request')
    }

    expect(rounds).toBe(CHANGE_ROUNDS_MAX)
    expect(change.result).toMatchObject({ kind: 'unresolved', answered: 1, ambiguous: false })
  })

  test('an op that may yet be applied ends as ambiguous', () => {
    const change = proposed()
    for (let round = 1; round <= CHANGE_ROUNDS_MAX; round += 1) {
      change.timer('request')
      if (round < CHANGE_ROUNDS_MAX) change.timer('backoff')
    }

    expect(change.result).toMatchObject({ kind: 'unresolved', answered: 0, ambiguous: true })
  })

  test('what arrives after the end, or for another wave, changes nothing', () => {
    const change = proposed()
    const { attempt } = change.state
    change.timer('request', attempt - 1)
    expect(change.effects).toEqual([])
    change.reply(
      'w1',
      { kind: 'promise', ballot: ballot(1), accepted: undefined, lease: undefined, wseq: 1 },
      attempt - 1
    )
    expect(change.effects).toEqual([])
    change.accepted('w1')
    change.accepted('w2')
    expect(change.result?.kind).toBe('applied')
    change.timer('request')
    change.fail('w3')

    expect(change.effects).toEqual([])
  })
})

describe('a change without an op', () => {
  test('writes the newest value back, so that a read becomes definite', () => {
    const change = new PlayedChange(requestOf())
    change.promise('w1', leased, alive)
    change.promise('w3')
    expect(change.message).toMatchObject({ kind: 'accept', value: leased.value })
    change.accepted('w1')
    change.accepted('w3')

    expect(change.result).toMatchObject({ kind: 'same', value: leased.value })
  })
})
