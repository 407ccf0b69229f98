import { describe, expect, test } from 'vitest'
import type { RegisterReply } from '../../../protocol/core/messages.ts'
import type { Tally } from '../../../protocol/core/tally.ts'
import {
  count,
  isFull,
  isHopeless,
  outstanding,
  quorumOfTally,
  refusals,
  repliesOf,
  tallyOf
} from '../../../protocol/core/tally.ts'
import { ballot } from '../../support/acceptor-calls.ts'
import { WITNESSES } from '../../support/proposer-calls.ts'

const yes: RegisterReply = { kind: 'accepted', ballot: ballot(1), wseq: 1 }
const no: RegisterReply = {
  kind: 'rejected',
  code: 'overload',
  promised: undefined,
  remainingMs: undefined,
  detail: ''
}

function tallyAfter(...answers: readonly (readonly [string, RegisterReply | undefined])[]): Tally {
  return answers.reduce((tally, [from, reply]) => count(tally, from, reply), tallyOf(WITNESSES))
}

describe('a wave of requests', () => {
  test('waits for all that have not answered', () => {
    expect(quorumOfTally(tallyAfter())).toBe(2)
    expect(outstanding(tallyAfter())).toEqual(['w1', 'w2', 'w3'])
    expect(outstanding(tallyAfter(['w1', yes], ['w2', undefined]))).toEqual(['w3'])
  })

  test('counts each witness once, however often it answers', () => {
    expect(repliesOf(tallyAfter(['w1', yes], ['w1', yes]), 'accepted').size).toBe(1)
  })

  test('does not count those who are no witnesses', () => {
    expect(repliesOf(tallyAfter(['stranger', yes]), 'accepted').size).toBe(0)
  })

  test('keeps a yes when the same request is refused or lost later', () => {
    for (const later of [no, undefined]) {
      expect(repliesOf(tallyAfter(['w1', yes], ['w1', later]), 'accepted').size).toBe(1)
    }
  })

  test('takes a yes that comes after a no: the no was to a repeat', () => {
    expect(repliesOf(tallyAfter(['w1', no], ['w1', yes]), 'accepted').size).toBe(1)
  })

  test('is hopeless once too many said no or nothing', () => {
    expect(isHopeless(tallyAfter(['w1', no]), 'accepted')).toBe(false)
    expect(isHopeless(tallyAfter(['w1', no], ['w2', undefined]), 'accepted')).toBe(true)
    expect(isHopeless(tallyAfter(['w1', yes], ['w2', no]), 'accepted')).toBe(false)
    expect(isHopeless(tallyAfter(['w1', yes], ['w2', no], ['w3', no]), 'accepted')).toBe(true)
  })

  test('remembers who refused, and why', () => {
    expect(refusals(tallyAfter(['w1', no], ['w2', yes]))).toEqual([
      { peer: 'w1', code: 'overload' }
    ])
  })

  test('is full once the witnesses with room are fewer than a quorum', () => {
    const full = { ...no, code: 'disk_low' } as const
    expect(isFull(tallyAfter(['w1', full]))).toBe(false)
    expect(isFull(tallyAfter(['w1', full], ['w2', no]))).toBe(false)
    expect(isFull(tallyAfter(['w1', full], ['w2', full]))).toBe(true)
  })
})
