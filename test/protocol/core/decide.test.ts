import { describe, expect, test } from 'vitest'
import { decidePromises, decideRead } from '../../../protocol/core/decide.ts'
import type { JobOp } from '../../../protocol/core/job.ts'
import { LEASE_PROFILES } from '../../../protocol/core/lease-profile.ts'
import type { Accepted, LeaseView } from '../../../protocol/core/messages.ts'
import type { ReplyOf } from '../../../protocol/core/tally.ts'
import { ballot } from '../../support/acceptor-calls.ts'
import { DIGEST } from '../../support/arbitrary-register.ts'
import { cancel, claim, complete, create, fail, jobAfter } from '../../support/job-ops.ts'
import { acceptedOf, leaseOf, requestOf, valueReply } from '../../support/proposer-calls.ts'

const create1 = create(1)
const create3 = create()
const claimA = claim('peerA', 'c1')
const queued = jobAfter(create3)
const leased = jobAfter(create3, claimA)

type Answer = readonly [Accepted | undefined, LeaseView?]

function promises(...answers: readonly Answer[]): ReadonlyMap<string, ReplyOf<'promise'>> {
  const named = answers.map(([accepted, lease], index) => {
    const reply = { kind: 'promise', ballot: ballot(9), accepted, lease, wseq: 1 } as const
    return [`w${index + 1}`, reply] as const
  })
  return new Map(named)
}

function decide(op: JobOp | undefined, ...answers: readonly Answer[]) {
  return decidePromises(
    { request: requestOf({ op }), digest: DIGEST, sent: undefined },
    promises(...answers)
  )
}

function decideFrom(
  op: JobOp | undefined,
  sent: number | undefined,
  ...answers: readonly Answer[]
) {
  const named = answers.map(([accepted, lease], index) => {
    return [`w${index + 1}`, valueReply(accepted, lease)] as const
  })
  const asked = {
    request: requestOf({ op }),
    digest: DIGEST,
    sent: sent === undefined ? undefined : ballot(sent)
  }
  return decideRead(asked, new Map(named))
}

describe('a quorum of promises', () => {
  test('that knows nothing lets the register be created, and nothing else be done', () => {
    expect(decide(create3, [undefined], [undefined])).toMatchObject({
      kind: 'applied',
      value: { phase: 'queued' }
    })
    expect(decide(claimA, [undefined], [undefined])).toEqual({ kind: 'nothing', reason: 'absent' })
    expect(decide(undefined, [undefined], [undefined])).toEqual({
      kind: 'nothing',
      reason: 'absent'
    })
  })

  test('builds on the value of the highest ballot, whoever of them holds it', () => {
    const decision = decide(
      cancel(),
      [acceptedOf(queued, 3)],
      [acceptedOf(leased, 5)],
      [acceptedOf(queued, 4)]
    )

    expect(decision).toMatchObject({ kind: 'applied', value: { phase: 'leased', version: 3 } })
  })

  test('writes the value back when the op changes nothing', () => {
    const accepted = acceptedOf(leased, 5)

    expect(decide(claimA, [accepted], [accepted])).toEqual({ kind: 'same', value: leased })
    expect(decide(undefined, [accepted], [undefined])).toEqual({ kind: 'same', value: leased })
    expect(decide(complete('peerB', 1, 'c1'), [accepted], [accepted])).toEqual({
      kind: 'rejected',
      reason: 'not_holder',
      value: leased
    })
  })
})

describe('a lease is taken over only', () => {
  const accepted = acceptedOf(leased, 5)
  const claimB = claim('peerB', 'c2')

  test('when a quorum saw it expire', () => {
    const over: Answer = [accepted, leaseOf(1, 0)]
    const alive: Answer = [accepted, leaseOf(1, 700)]

    expect(decide(claimB, over, over)).toMatchObject({ kind: 'applied', value: { epoch: 2 } })
    expect(decide(claimB, over, over, alive)).toMatchObject({ kind: 'applied' })
    expect(decide(claimB, over, alive)).toEqual({ kind: 'held', retryInMs: 700, value: leased })
    expect(decide(claimB, alive, over, alive)).toMatchObject({ kind: 'held' })
  })

  test('and a claim on its way is no lease that died: it is written back, not taken over', () => {
    const older: Answer = [acceptedOf(queued, 3)]
    const alive: Answer = [accepted, leaseOf(1, 3_400)]

    const { takeOverMs } = LEASE_PROFILES.short
    expect(decide(claimB, alive, older)).toEqual({
      kind: 'busy',
      retryInMs: takeOverMs,
      value: leased
    })
    expect(decide(claimB, alive, older, older)).toMatchObject({ kind: 'busy', value: leased })
  })

  test('and a witness that missed it counts only from when it heard of it', () => {
    const over: Answer = [accepted, leaseOf(1, 0)]

    expect(decide(claimB, over, [undefined])).toMatchObject({ kind: 'busy', value: leased })
    expect(decide(claimB, over, over, [undefined])).toMatchObject({ kind: 'applied' })
  })

  test('and an error waits in the same way', () => {
    const last = acceptedOf(jobAfter(create1, claimA), 5)

    expect(
      decide(fail('agent_lost'), [last, leaseOf(1, 700)], [last, leaseOf(1, 0)])
    ).toMatchObject({ kind: 'held' })
    expect(decide(fail('agent_lost'), [last, leaseOf(1, 0)], [last, leaseOf(1, 0)])).toMatchObject({
      kind: 'applied',
      value: { phase: 'errored' }
    })
  })

  test('but its holder and a cancel need not wait', () => {
    const alive: Answer = [accepted, leaseOf(1, 700)]

    expect(decide(complete('peerA', 1, 'c1'), alive, alive)).toMatchObject({ kind: 'applied' })
    expect(decide(cancel(), alive, alive)).toMatchObject({ kind: 'applied' })
  })
})

describe('a read before a retry', () => {
  const accepted = acceptedOf(leased, 5)
  const alive: Answer = [accepted, leaseOf(1, 700)]
  const claimB = claim('peerB', 'c2')

  test('answers what is chosen already', () => {
    expect(decideFrom(claimA, undefined, alive, alive)).toMatchObject({
      verdict: { kind: 'same', value: leased }
    })
    expect(decideFrom(claimB, undefined, alive, alive)).toMatchObject({
      verdict: { kind: 'busy', retryInMs: 700 }
    })
    expect(decideFrom(complete('peerB', 1, 'c1'), undefined, alive, alive)).toMatchObject({
      verdict: { kind: 'rejected', reason: 'not_holder', value: leased }
    })
    expect(decideFrom(claimB, undefined, [undefined], [undefined])).toMatchObject({
      verdict: { kind: 'rejected', reason: 'absent', value: undefined }
    })
  })

  test('answers nothing where a round can do something', () => {
    const over: Answer = [accepted, leaseOf(1, 0)]

    expect(decideFrom(claimB, undefined, over, over)).toBeUndefined()
    expect(decideFrom(cancel(), undefined, alive, alive)).toBeUndefined()
    expect(decideFrom(create3, undefined, [undefined], [undefined])).toBeUndefined()
    expect(decideFrom(claimA, undefined, alive, [undefined])).toBeUndefined()
  })

  test('gives no no while an accept above it is on its way', () => {
    expect(decideFrom(claimB, 6, alive, alive)).toBeUndefined()
    expect(decideFrom(complete('peerB', 1, 'c1'), 6, alive, alive)).toBeUndefined()
    expect(decideFrom(claimB, 6, [undefined], [undefined])).toBeUndefined()
    expect(decideFrom(claimB, 4, alive, alive)).toMatchObject({ verdict: { kind: 'busy' } })
    expect(decideFrom(claimA, 6, alive, alive)).toMatchObject({ verdict: { kind: 'same' } })
  })

  test('gives no no where an earlier change with this op is still open', () => {
    const asked = {
      request: requestOf({ op: claimB, ambiguous: true }),
      digest: DIGEST,
      sent: undefined
    }
    const replies = new Map([
      ['w1', valueReply(...alive)],
      ['w2', valueReply(...alive)]
    ])

    expect(decideRead(asked, replies)).toBeUndefined()
  })
})
