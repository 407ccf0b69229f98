import { describe, expect, test } from 'vitest'
import { isSound, learnRounds } from '../../../protocol/core/proposer-answers.ts'
import { ballot } from '../../support/acceptor-calls.ts'
import { claim, create, jobAfter } from '../../support/job-ops.ts'
import { acceptedOf, PlayedChange, requestOf, valueReply } from '../../support/proposer-calls.ts'

const job = jobAfter(create(), claim('peerB', 'c9'))
const broken = { ...job, lease: undefined }

function preparing() {
  return new PlayedChange(requestOf({ op: claim('peerA', 'c1') })).state
}

/** After a round that came to nothing: the read before the next one is out. */
function reading() {
  const change = new PlayedChange(requestOf({ op: claim('peerA', 'c1') }))
  change.timer('request')
  change.timer('backoff')
  return change.state
}

function promised(round: number, value = job) {
  const accepted = acceptedOf(value, 1)
  return { kind: 'promise', ballot: ballot(round), accepted, lease: undefined, wseq: 1 } as const
}

describe('an answer counts', () => {
  test('when it is to the ballot that is out', () => {
    expect(isSound(preparing(), promised(1))).toBe(true)
    expect(isSound(preparing(), promised(2))).toBe(false)
    const early = { kind: 'accepted', ballot: ballot(1), wseq: 1 } as const
    expect(isSound(preparing(), early)).toBe(false)
    expect(isSound(preparing(), valueReply(acceptedOf(job, 1)))).toBe(false)
    expect(isSound(reading(), promised(1))).toBe(false)
  })

  test('when its value is one that the rules can make, of this register', () => {
    expect(isSound(preparing(), promised(1, broken))).toBe(false)
    expect(isSound(preparing(), promised(1, { ...job, register: 'RUN.1' }))).toBe(false)
    expect(isSound(reading(), valueReply(acceptedOf(broken, 1)))).toBe(false)
    expect(isSound(reading(), valueReply(acceptedOf(job, 1)))).toBe(true)
  })
})

describe('rounds are learned', () => {
  const refusal = (round: number) =>
    ({
      kind: 'rejected',
      code: 'ballot',
      promised: ballot(round),
      remainingMs: undefined,
      detail: ''
    }) as const

  test('from refusals, promises and values', () => {
    expect(learnRounds(preparing(), refusal(7)).seenRound).toBe(7)
    expect(learnRounds(preparing(), promised(1)).seenRound).toBe(1)
    const value = { ...valueReply(acceptedOf(job, 3)), promised: ballot(8) }
    expect(learnRounds(preparing(), value).seenRound).toBe(8)
  })

  test('upwards only, and never from what is no number', () => {
    const state = learnRounds(preparing(), refusal(7))

    expect(learnRounds(state, refusal(3)).seenRound).toBe(7)
    expect(learnRounds(state, refusal(Number.NaN)).seenRound).toBe(7)
    expect(learnRounds(state, refusal(2 ** 60)).seenRound).toBe(7)
  })
})
