import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type AcceptorState,
  accept,
  acceptorOf,
  droppedAcceptor,
  prepare,
  read,
  renew
} from '../../../protocol/core/acceptor.ts'
import {
  floorIn,
  floorOver,
  isForgotten,
  isRedeliveryOver,
  isTombstoneOver,
  mayDrop
} from '../../../protocol/core/floor.ts'
import type { AnnouncementRef, RegisterValue } from '../../../protocol/core/messages.ts'
import {
  REDELIVERY_MS,
  RETENTION_MS,
  TOMBSTONE_KEPT_MS
} from '../../../protocol/core/retention-limits.ts'
import {
  acceptOf,
  ballot,
  context,
  fresh,
  prepareOf,
  renewOf,
  START_MS
} from '../../support/acceptor-calls.ts'
import { arbitraryHistory } from '../../support/arbitrary-register.ts'
import { cancel, claim, create, jobAfter } from '../../support/job-ops.ts'
import { acceptedOf, PlayedChange, requestOf } from '../../support/proposer-calls.ts'

const DAY_MS = 86_400_000
const queued = jobAfter(create())
const refOf = (gateway: string, gwSeq: number): AnnouncementRef => {
  return { gateway, gwSeq, annHash: `${gateway}-${gwSeq}` }
}
const floorsOf = (floors: Readonly<Record<string, number>>) => (gateway: string) => {
  return floors[gateway] ?? 0
}

/** What each of the four requests is answered. */
function answers(
  state: AcceptorState,
  ann: AnnouncementRef | undefined,
  floors: Readonly<Record<string, number>>
): readonly string[] {
  const facts = context({ floorOf: floorsOf(floors) })
  const scoped = <Request extends { readonly scope: object }>(request: Request) => {
    return { ...request, scope: { ...request.scope, ann } }
  }
  const replies = [
    prepare(state, scoped(prepareOf(ballot(9))), facts).reply,
    accept(state, scoped(acceptOf(ballot(9), queued)), facts).reply,
    read(state, ann, facts).reply
  ]
  const renewed = renew(state, scoped(renewOf(1, 'peerA', 'c1')), facts)
  const codes = replies.map((reply) => (reply.kind === 'rejected' ? reply.code : reply.kind))
  return [...codes, renewed.result.answer]
}

const GONE = ['gone', 'gone', 'gone', 'gone']

describe('the floor', () => {
  test('keeps all out of a register that holds nothing, at it and below', () => {
    const floors = { gateway: 7 }

    expect(answers(fresh(), refOf('gateway', 7), floors)).toEqual(GONE)
    expect(answers(fresh(), refOf('gateway', 1), floors)).toEqual(GONE)
    expect(answers(fresh(), refOf('gateway', 8), floors)).toEqual([
      'promise',
      'accepted',
      'value',
      'behind'
    ])
  })

  test('is each gateway’s own, and says nothing of an announcement that is not named', () => {
    const floors = { gateway: 7 }

    expect(answers(fresh(), refOf('another', 1), floors)).not.toContain('gone')
    expect(answers(fresh(), undefined, floors)).not.toContain('gone')
  })

  test('takes no value away, and no promise makes a register one with a value', () => {
    const holding = accept(fresh(), acceptOf(ballot(1), queued), context()).state
    const promised = prepare(fresh(), prepareOf(ballot(1)), context()).state

    expect(answers(holding, refOf('gateway', 1), { gateway: 7 })).not.toContain('gone')
    expect(answers(promised, refOf('gateway', 1), { gateway: 7 })).toEqual(GONE)
  })

  test('keeps out a first value by its own announcement, whatever its sender names', () => {
    const request = acceptOf(ballot(1), queued)
    const scope = { ...request.scope, ann: refOf('another', 9) }
    const floorOf = floorsOf({ gateway: 7 })
    const facts = context({ floorOf, announced: refOf('gateway', 7) })

    expect(accept(fresh(), { ...request, scope }, facts).reply).toMatchObject({ code: 'gone' })
  })

  test('that an announcement carries speaks of those before it only', () => {
    expect(floorIn({ floor: 6, gwSeq: 7 })).toBe(6)
    for (const floor of [7, 8, -1, 0.5, Number.NaN, Number.MAX_SAFE_INTEGER + 2]) {
      expect(floorIn({ floor, gwSeq: 7 })).toBe(0)
    }
  })

  test('of a gateway is below every open number, and never goes back', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.boolean()), { maxLength: 60 }),
        (events) => {
          const open = new Set<number>()
          let drawn = 0
          let floor = 0
          for (const [number, draws] of events) {
            if (draws) drawn += 1
            if (draws) open.add(drawn)
            else open.delete(Math.min(number, drawn))
            const next = floorOver(floor, drawn, open)
            expect(next).toBeGreaterThanOrEqual(floor)
            expect(next).toBeLessThanOrEqual(drawn)
            for (const gwSeq of open) expect(gwSeq).toBeGreaterThan(next)
            floor = next
          }
        }
      )
    )
  })
})

const arbitraryAsk = fc.record({
  kind: fc.constantFrom('prepare', 'accept', 'read', 'renew', 'restart'),
  round: fc.integer({ min: 1, max: 12 }),
  peer: fc.constantFrom('peerA', 'peerB'),
  value: fc.nat(40),
  gateway: fc.constantFrom('gateway', 'another', undefined),
  gwSeq: fc.integer({ min: 1, max: 9 })
})

type Ask = typeof arbitraryAsk extends fc.Arbitrary<infer Value> ? Value : never

/** One message, or a restart, and how it was answered. */
function askOf(
  state: AcceptorState,
  { kind, round, peer, gateway, gwSeq }: Ask,
  value: RegisterValue & { readonly kind: 'job' },
  floor: number
): readonly [AcceptorState, string] {
  const at = ballot(round, peer)
  const ann = gateway === undefined ? undefined : refOf(gateway, gwSeq)
  const facts = context({ remote: peer, floorOf: floorsOf({ gateway: floor }) })
  const scope = { ...acceptOf(at, value).scope, ann }
  if (kind === 'restart') return [acceptorOf(undefined, START_MS, state.dropped), 'restarted']
  if (kind === 'renew') {
    const step = renew(state, { ...renewOf(value.epoch, peer, 'c1'), scope }, facts)
    return [step.state, step.result.answer]
  }
  const step =
    kind === 'read'
      ? read(state, ann, facts)
      : kind === 'prepare'
        ? prepare(state, { ...prepareOf(at), scope }, facts)
        : accept(state, { ...acceptOf(at, value), scope }, facts)
  const { reply } = step
  return [step.state, reply.kind === 'rejected' ? reply.code : reply.kind]
}

describe('a register that was dropped', () => {
  test('never comes back, whatever comes late or twice, under whose announcement ever', () => {
    fc.assert(
      fc.property(
        arbitraryHistory,
        fc.array(arbitraryAsk, { maxLength: 40, size: 'max' }),
        fc.integer({ min: 0, max: 9 }),
        ({ states }, asks, floor) => {
          let state = droppedAcceptor(START_MS)
          for (const ask of asks) {
            const value = states[ask.value % states.length] ?? queued
            const [after, answer] = askOf(state, ask, value, floor)
            expect(['gone', 'restarted']).toContain(answer)
            state = after
          }
          expect(state.dropped).toBe(true)
          expect(state.record.accepted).toBeUndefined()
        }
      )
    )
  })

  test('is gone for another gateway’s announcement of the same run as well', () => {
    expect(answers(droppedAcceptor(START_MS), refOf('another', 999), {})).toEqual(GONE)
    expect(answers(droppedAcceptor(START_MS), undefined, {})).toEqual(GONE)
  })
})

describe('a witness drops a run', () => {
  const run = {
    phases: ['run', 'succeeded', 'cancelled', 'moved', 'superseded'],
    gateway: 'gateway',
    gwSeq: 7,
    issuedAtMs: 0
  } as const
  const overMs = RETENTION_MS + DAY_MS

  test('that has ended, is old enough, and is closed by its gateway’s word', () => {
    expect(mayDrop(run, floorsOf({ gateway: 7 }), overMs)).toBe(true)
  })

  test('and not while any of the three is missing', () => {
    expect(mayDrop(run, floorsOf({ gateway: 6 }), overMs)).toBe(false)
    expect(mayDrop(run, floorsOf({ another: 9 }), overMs)).toBe(false)
    expect(mayDrop(run, floorsOf({ gateway: 7 }), RETENTION_MS)).toBe(false)
    for (const phase of ['queued', 'leased'] as const) {
      const open = { ...run, phases: [...run.phases, phase] }
      expect(mayDrop(open, floorsOf({ gateway: 7 }), overMs)).toBe(false)
    }
  })

  test('and remembers it for 90 days, longer than anyone sends a push again', () => {
    expect(isTombstoneOver(0, TOMBSTONE_KEPT_MS)).toBe(false)
    expect(isTombstoneOver(0, TOMBSTONE_KEPT_MS + DAY_MS)).toBe(true)
    expect(isRedeliveryOver(0, REDELIVERY_MS)).toBe(false)
    expect(isRedeliveryOver(0, REDELIVERY_MS + DAY_MS)).toBe(true)
  })

  test('and may have forgotten what began a week before that', () => {
    expect(isForgotten(0, RETENTION_MS + TOMBSTONE_KEPT_MS - 1)).toBe(false)
    expect(isForgotten(0, RETENTION_MS + TOMBSTONE_KEPT_MS)).toBe(true)
  })
})

describe('a change of a register that is gone', () => {
  const refusal = {
    kind: 'rejected',
    code: 'gone',
    promised: undefined,
    remainingMs: undefined,
    detail: ''
  } as const

  test('ends with a definite no once a quorum says so, ambiguous or not', () => {
    for (const ambiguous of [false, true]) {
      const change = new PlayedChange(requestOf({ op: claim('peerA', 'c1'), ambiguous }))
      change.reply('w1', refusal)
      expect(change.effects).toEqual([])
      change.reply('w3', refusal)

      expect(change.result).toMatchObject({ kind: 'rejected', reason: 'gone', value: undefined })
    }
  })

  test('ends so too where the store of another was replaced: nothing can be chosen there', () => {
    const change = new PlayedChange(requestOf({ op: claim('peerA', 'c1') }))
    change.reply('w1', refusal)
    change.promise('w2', acceptedOf(queued, 1))
    change.reply('w3', { ...refusal, code: 'wrong_store' })

    expect(change.result).toMatchObject({ kind: 'rejected', reason: 'gone' })
  })

  test('stays open where stores were replaced and nobody dropped it', () => {
    const change = new PlayedChange(requestOf({ op: claim('peerA', 'c1') }))
    for (const peer of ['w1', 'w3']) change.reply(peer, { ...refusal, code: 'wrong_store' })

    expect(change.result).toBeUndefined()
  })

  test('goes on where a minority says so', () => {
    const change = new PlayedChange(requestOf({ op: cancel() }))
    change.reply('w1', refusal)
    change.promise('w2', acceptedOf(queued, 1))
    change.promise('w3', acceptedOf(queued, 1))

    expect(change.message).toMatchObject({ kind: 'accept', value: { phase: 'cancelled' } })
  })
})
