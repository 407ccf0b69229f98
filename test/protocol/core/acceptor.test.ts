import { describe, expect, test } from 'vitest'
import type { AcceptorState } from '../../../protocol/core/acceptor.ts'
import { accept, acceptorOf, prepare, read, renew } from '../../../protocol/core/acceptor.ts'
import { NO_BALLOT } from '../../../protocol/core/ballot.ts'
import { BALLOT_JUMP_MAX } from '../../../protocol/core/limits.ts'
import {
  acceptOf,
  ballot,
  context,
  fresh,
  holding,
  prepareOf,
  promise,
  renewOf,
  START_MS,
  take
} from '../../support/acceptor-calls.ts'
import { cancel, claim, create, jobAfter, release } from '../../support/job-ops.ts'

const create3 = create()
const claimA = claim('peerA', 'c1')
const claimB = claim('peerB', 'c2')
const queued = jobAfter(create3)
const heldByA = jobAfter(create3, claimA)
const heldByRival = jobAfter(create3, claimB)
const takenByB = jobAfter(create3, claimA, claimB)
const TAKE_MS = 3_500

describe('prepare', () => {
  test('promises a ballot above all, and stores it before it answers', () => {
    const step = prepare(fresh(), prepareOf(ballot(1)), context())

    expect(step.durability).toBe('save')
    expect(step.state.record.promised).toEqual(ballot(1))
    expect(step.reply).toMatchObject({ kind: 'promise', ballot: ballot(1), accepted: undefined })
  })

  test('shows what was accepted and how long its lease has left', () => {
    const request = prepareOf(ballot(3))
    const step = prepare(holding(heldByA), request, context({ nowMs: START_MS + 1_000 }))

    expect(step.reply).toMatchObject({
      kind: 'promise',
      accepted: { ballot: ballot(1), value: heldByA },
      lease: { epoch: 1, remainingMs: TAKE_MS - 1_000 }
    })
  })

  test.each([
    ['equal to', 5],
    ['below', 4]
  ])('refuses a ballot %s the promised one', (_name, round) => {
    const state = promise(fresh(), ballot(5), START_MS)
    const step = prepare(state, prepareOf(ballot(round)), context())

    expect(step.reply).toMatchObject({ kind: 'rejected', code: 'ballot', promised: ballot(5) })
    expect(step.state).toBe(state)
    expect(step.durability).toBe('none')
  })

  test('refuses a ballot equal to an accepted one that was never promised', () => {
    const state = take(fresh(), ballot(5), queued, START_MS)
    const forgetful = { ...state, record: { ...state.record, promised: NO_BALLOT } }

    for (const round of [4, 5]) {
      const step = prepare(forgetful, prepareOf(ballot(round)), context())
      expect(step.reply).toMatchObject({ code: 'ballot', promised: ballot(5) })
    }
  })

  test('refuses ballots of others, strangers and jumps', () => {
    const own = prepareOf(ballot(1))

    expect(prepare(fresh(), own, context({ remote: 'peerB' })).reply).toMatchObject({
      code: 'not_allowed'
    })
    expect(prepare(fresh(), own, context({ remoteIsMember: false })).reply).toMatchObject({
      code: 'not_allowed'
    })
    const far = prepareOf(ballot(BALLOT_JUMP_MAX + 1))
    expect(prepare(fresh(), far, context()).reply).toMatchObject({ code: 'ballot_jump' })
  })
})

describe('accept', () => {
  test('takes a value under the promised ballot or a higher one, and stores it first', () => {
    for (const round of [5, 6]) {
      const state = promise(fresh(), ballot(5), START_MS)
      const step = accept(state, acceptOf(ballot(round), queued), context())

      expect(step.reply).toEqual({ kind: 'accepted', ballot: ballot(round), wseq: 0 })
      expect(step.durability).toBe('save')
      expect(step.state.record.promised).toEqual(ballot(round))
      expect(step.state.record.accepted).toMatchObject({ ballot: ballot(round), value: queued })
    }
  })

  test('refuses a ballot below the promised one', () => {
    const state = promise(fresh(), ballot(5), START_MS)
    const step = accept(state, acceptOf(ballot(4), queued), context())

    expect(step.reply).toMatchObject({ code: 'ballot', promised: ballot(5) })
    expect(step.state).toBe(state)
  })

  test('that comes twice waits for the sync of the first', () => {
    const state = holding(queued)
    const step = accept(state, acceptOf(ballot(1), queued), context())

    expect(step.reply).toMatchObject({ kind: 'accepted' })
    expect(step.durability).toBe('barrier')
    expect(step.state).toBe(state)
  })

  test('of another value under the same ballot raises the alarm and changes nothing', () => {
    const state = holding(queued)
    const step = accept(state, acceptOf(ballot(1), heldByA), context())

    expect(step.reply).toMatchObject({ kind: 'rejected', code: 'equivocation' })
    expect(step.state).toBe(state)
  })

  test('sent on by another member needs the proposer’s signature', () => {
    const request = acceptOf(ballot(1, 'peerA'), queued)

    const signed = accept(fresh(), request, context({ remote: 'peerB' }))
    expect(signed.reply).toMatchObject({ kind: 'accepted' })
    const forged = accept(fresh(), request, context({ remote: 'peerB', proposalValid: false }))
    expect(forged.reply).toMatchObject({ code: 'not_allowed' })
    const own = accept(fresh(), request, context({ proposalValid: false }))
    expect(own.reply).toMatchObject({ kind: 'accepted' })
    const stranger = accept(fresh(), request, context({ remoteIsMember: false }))
    expect(stranger.reply).toMatchObject({ code: 'not_allowed' })
  })

  test('of a first value waits for its announcement, of a later one does not', () => {
    const blind = context({ createValid: false })

    expect(accept(fresh(), acceptOf(ballot(1), queued), blind).reply).toMatchObject({
      code: 'announcement_missing'
    })
    expect(accept(fresh(), acceptOf(ballot(1), heldByA), blind).reply).toMatchObject({
      code: 'announcement_missing'
    })
    const step = accept(holding(queued), acceptOf(ballot(2), heldByA), blind)
    expect(step.reply).toMatchObject({ kind: 'accepted' })
  })

  test('of what no op makes, or nobody signed, is refused', () => {
    const forged = { ...heldByA, attempts: 0 }

    const step = accept(holding(queued), acceptOf(ballot(2), forged), context())
    expect(step.reply).toMatchObject({ code: 'invalid' })
    const unsigned = context({ valueValid: false })
    expect(accept(fresh(), acceptOf(ballot(1), queued), unsigned).reply).toMatchObject({
      code: 'invalid'
    })
  })
})

describe('the guard', () => {
  test('lets a take-over in when the lease is over by this witness’s clock, not before', () => {
    const state = holding(heldByA)
    const request = acceptOf(ballot(2, 'peerB'), takenByB)
    const at = (nowMs: number) => accept(state, request, context({ nowMs, remote: 'peerB' }))

    const early = at(START_MS + TAKE_MS - 1)
    expect(early.reply).toMatchObject({ code: 'lease_alive', remainingMs: 1 })
    expect(early.state).toBe(state)
    expect(at(START_MS + TAKE_MS).reply).toMatchObject({ kind: 'accepted' })
  })

  test('lets the holder’s own end through at once', () => {
    const ended = jobAfter(create3, claimA, release('peerA', 1, 'c1'))
    const step = accept(holding(heldByA), acceptOf(ballot(2), ended), context())

    expect(step.reply).toMatchObject({ kind: 'accepted' })
  })

  test('of a restarted witness counts from its start', () => {
    const { record } = holding(heldByA)
    const bootMs = START_MS + 10 * TAKE_MS
    const request = acceptOf(ballot(2, 'peerB'), takenByB)
    const at = (nowMs: number) =>
      accept(acceptorOf(record, bootMs), request, context({ nowMs, remote: 'peerB' }))

    expect(at(bootMs + TAKE_MS - 1).reply).toMatchObject({ code: 'lease_alive' })
    expect(at(bootMs + TAKE_MS).reply).toMatchObject({ kind: 'accepted' })
  })
})

describe('the timer of a lease', () => {
  test('is not touched when the same value is written back', () => {
    const state = take(holding(heldByA), ballot(2, 'reader'), heldByA, START_MS + 1_000)

    expect(state.timer.renewedAtMs).toBe(START_MS)
  })

  test('is not touched by what others do to the job meanwhile', () => {
    const flagged = jobAfter(create3, claimA, cancel())
    const state = take(holding(heldByA), ballot(2, 'user'), flagged, START_MS + 1_000)

    expect(state.timer.renewedAtMs).toBe(START_MS)
  })

  test('starts again for another claim of the same epoch, and drops the fence', () => {
    const late = START_MS + TAKE_MS
    const fenced = promise(holding(heldByRival), ballot(2), late, 'takeover')
    const state = take(fenced, ballot(2), heldByA, late)

    expect(state.timer).toEqual({ renewedAtMs: late, fenced: false, stage: undefined })
  })

  test('of a rival starts again under the winner, whoever wrote its newest value', () => {
    // Another's unchosen claim of the same epoch was all that this witness knew.
    const rival = jobAfter(create3, claim('peerB', 'c2'))
    const late = START_MS + 3_000
    const cancelled = jobAfter(create3, claim('peerA', 'c1'), cancel())
    expect(cancelled).toMatchObject({ epoch: 1, op: { actor: 'user' } })

    const state = take(holding(rival, ballot(2, 'peerB')), ballot(3, 'user'), cancelled, late)

    expect(state.timer.renewedAtMs).toBe(late)
  })

  test('starts again with the next epoch', () => {
    const late = START_MS + TAKE_MS
    const state = take(holding(heldByA), ballot(2, 'peerB'), takenByB, late)

    expect(state.timer.renewedAtMs).toBe(late)
  })

  test('starts again when the holder itself changed the value', () => {
    const flag = { ...cancel(), actor: 'peerA' }
    const byHolder = jobAfter(create3, claimA, flag)
    const state = take(holding(heldByA), ballot(2), byHolder, START_MS + 1_000)

    expect(state.timer.renewedAtMs).toBe(START_MS + 1_000)
  })
})

describe('a lease is known as chosen', () => {
  const renewed = (state: AcceptorState, remote = 'peerA') => {
    const item = renewOf(1, 'peerA', 'c1')
    return renew(state, item, context({ remote, nowMs: START_MS + 1 })).state
  }

  test('once its holder has renewed it, whatever is written on it since', () => {
    const state = holding(heldByA)
    const flagged = jobAfter(create3, claimA, cancel())

    expect(state.confirmed).toBe(false)
    expect(renewed(state, 'peerB').confirmed).toBe(false)
    expect(renewed(state).confirmed).toBe(true)
    expect(promise(renewed(state), ballot(3), START_MS).confirmed).toBe(true)
    expect(take(renewed(state), ballot(3, 'user'), flagged, START_MS).confirmed).toBe(true)
  })

  test('not when another claim took its place', () => {
    const late = START_MS + 2 * TAKE_MS

    for (const other of [takenByB, heldByRival, queued]) {
      expect(take(renewed(holding(heldByA)), ballot(2, 'peerB'), other, late).confirmed).toBe(false)
    }
  })

  test('after a restart: whether it was renewed before is forgotten', () => {
    expect(acceptorOf(holding(heldByA).record, START_MS).confirmed).toBe(true)
    expect(acceptorOf(holding(queued).record, START_MS).confirmed).toBe(false)
    expect(acceptorOf(undefined, START_MS).confirmed).toBe(false)
  })

  test('and then a value of another past waits until it is over', () => {
    for (const other of [heldByRival, queued]) {
      const request = acceptOf(ballot(2, 'peerB'), other)
      const at = (state: AcceptorState, nowMs: number) =>
        accept(state, request, context({ remote: 'peerB', nowMs })).reply

      expect(at(holding(heldByA), START_MS + 1)).toMatchObject({ kind: 'accepted' })
      expect(at(renewed(holding(heldByA)), START_MS + TAKE_MS)).toMatchObject({
        code: 'lease_alive',
        remainingMs: 1
      })
      expect(at(renewed(holding(heldByA)), START_MS + 1 + TAKE_MS)).toMatchObject({
        kind: 'accepted'
      })
    }
  })
})

describe('renew', () => {
  const by = (remote: string, nowMs = START_MS + 1_000) => context({ remote, nowMs })

  test('keeps the lease alive and remembers the stage, without a write', () => {
    const { state, result, durability } = renew(
      holding(heldByA),
      renewOf(1, 'peerA', 'c1'),
      by('peerA')
    )

    expect(result).toMatchObject({ answer: 'ok', version: 2, cancel: undefined })
    expect(durability).toBe('barrier')
    expect(state.timer).toMatchObject({ renewedAtMs: START_MS + 1_000, stage: { name: 'step' } })
    expect(state.record).toEqual(holding(heldByA).record)
  })

  test('tells the holder of a cancel', () => {
    const flagged = jobAfter(create3, claimA, cancel())
    const { result } = renew(holding(flagged), renewOf(1, 'peerA', 'c1'), by('peerA'))

    expect(result).toMatchObject({ answer: 'ok', cancel: { by: 'user' } })
  })

  test('is not hindered by promises', () => {
    const state = promise(holding(heldByA), ballot(9, 'peerB'), START_MS, 'takeover')
    const { result } = renew(state, renewOf(1, 'peerA', 'c1'), by('peerA'))

    expect(result.answer).toBe('ok')
  })

  test.each([
    ['nothing is accepted here', fresh(), renewOf(1, 'peerA', 'c1'), 'behind'],
    ['an earlier epoch is', holding(heldByA), renewOf(2, 'peerA', 'c3'), 'behind'],
    ['another claim of the epoch is', holding(heldByRival), renewOf(1, 'peerA', 'c1'), 'behind'],
    ['another claim id is', holding(heldByA), renewOf(1, 'peerA', 'c9'), 'behind'],
    ['a later epoch is', holding(takenByB), renewOf(1, 'peerA', 'c1'), 'stale'],
    [
      'the lease has ended',
      holding(jobAfter(create3, claimA, release('peerA', 1, 'c1'))),
      renewOf(1, 'peerA', 'c1'),
      'stale'
    ]
  ] as const)('where %s answers so', (_name, state, item, answer) => {
    const step = renew(state, item, by('peerA'))

    expect(step.result.answer).toBe(answer)
    expect(step.durability).toBe(answer === 'stale' ? 'barrier' : 'none')
    expect(step.state.timer).toEqual(state.timer)
  })

  test('by another peer, another boot or a stranger renews nothing', () => {
    const item = renewOf(1, 'peerA', 'c1')

    expect(renew(holding(heldByA), item, by('peerB')).result.answer).toBe('behind')
    expect(renew(holding(heldByA), { ...item, boot: 'clone' }, by('peerA')).result.answer).toBe(
      'behind'
    )
    const stranger = context({ remoteIsMember: false })
    expect(renew(holding(heldByA), item, stranger).result.answer).toBe('behind')
  })

  test('is refused once a claimer saw the lease expired here', () => {
    const late = START_MS + TAKE_MS
    const item = renewOf(1, 'peerA', 'c1')
    const unfenced = promise(holding(heldByA), ballot(2, 'peerB'), late - 1, 'takeover')
    const looked = promise(holding(heldByA), ballot(2, 'peerB'), late, 'op')
    const fenced = promise(holding(heldByA), ballot(2, 'peerB'), late, 'takeover')

    expect(renew(unfenced, item, by('peerA', late)).result.answer).toBe('ok')
    expect(renew(looked, item, by('peerA', late)).result.answer).toBe('ok')
    expect(renew(fenced, item, by('peerA', late))).toMatchObject({
      result: { answer: 'fenced' },
      durability: 'none'
    })
  })
})

test('read shows what is accepted only once it is synced', () => {
  const state = promise(holding(heldByA), ballot(7, 'peerB'), START_MS)
  const step = read(state, undefined, context({ nowMs: START_MS + 500 }))

  expect(step).toMatchObject({
    state,
    durability: 'barrier',
    reply: {
      kind: 'value',
      accepted: { ballot: ballot(1), value: heldByA },
      promised: ballot(7, 'peerB'),
      lease: { epoch: 1, remainingMs: TAKE_MS - 500 }
    }
  })
})
