import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  admitsJoiner,
  type Invites,
  isInviteOpen,
  type JoinAttempt,
  type NewInvite,
  openInvite,
  takeInvite
} from '../../../protocol/core/invite.ts'
import {
  INVITE_KEPT_MS,
  INVITE_MS_MAX,
  INVITES_KEPT_MAX,
  INVITES_OPEN_MAX
} from '../../../protocol/core/join-limits.ts'

const NOW_MS = 1_700_000_000_000
const HOUR_MS = 3_600_000

const wanted = (id: string, more: Partial<NewInvite> = {}): NewInvite => ({
  id,
  secret: `secret of ${id}`,
  roles: ['agent'],
  isWitness: false,
  expiresMs: NOW_MS + HOUR_MS,
  ...more
})

const attempt = (id: string, more: Partial<JoinAttempt> = {}): JoinAttempt => ({
  id,
  peerId: 'basalt',
  joiner: 'agent',
  isProven: true,
  isMember: false,
  ...more
})

function opened(...all: readonly NewInvite[]): Invites {
  return all.reduce((state: Invites, one) => openInvite(state, one, NOW_MS)[0], [])
}

describe('an open invite', () => {
  test('admits the first host that proves it, and loses its secret', () => {
    const [state, answer] = takeInvite(opened(wanted('a')), attempt('a'), NOW_MS)

    expect(answer).toMatchObject({ kind: 'admit', invite: { usedBy: 'basalt', roles: ['agent'] } })
    expect(state[0]?.secret).toBeUndefined()
    expect(isInviteOpen(state, 'stranger', NOW_MS)).toBe(false)
  })

  test('lets in whoever used it, until its date: the inviter may have died before the roster', () => {
    const [state] = takeInvite(opened(wanted('a')), attempt('a'), NOW_MS)

    expect(isInviteOpen(state, 'basalt', NOW_MS)).toBe(true)
    expect(isInviteOpen(state, 'basalt', NOW_MS + HOUR_MS)).toBe(false)
    const [, again] = takeInvite(state, attempt('a', { isProven: false }), NOW_MS)
    expect(again).toMatchObject({ kind: 'admit' })
  })

  test.each([
    ['a wrong proof', { isProven: false }, 'forged'],
    ['another id', { id: 'b' }, 'unknown'],
    ['another program', { joiner: 'gateway' as const }, 'other_role']
  ])('is left as it is by %s', (_name, more, reason) => {
    const state = opened(wanted('a'))

    const [next, answer] = takeInvite(state, attempt('a', more), NOW_MS)

    expect(answer).toEqual({ kind: 'refused', reason })
    expect(next).toBe(state)
  })

  test('ends at its date, to the millisecond', () => {
    const state = opened(wanted('a'))

    expect(isInviteOpen(state, 'stranger', NOW_MS + HOUR_MS - 1)).toBe(true)
    expect(isInviteOpen(state, 'stranger', NOW_MS + HOUR_MS)).toBe(false)
    const [next, answer] = takeInvite(state, attempt('a'), NOW_MS + HOUR_MS)
    expect(answer).toEqual({ kind: 'refused', reason: 'expired' })
    expect(next).toBe(state)
  })

  test('of an operator lets the agent program in, not a gateway', () => {
    expect(admitsJoiner(['operator'], 'agent')).toBe(true)
    expect(admitsJoiner(['operator'], 'gateway')).toBe(false)
    expect(admitsJoiner(['gateway'], 'agent')).toBe(false)
    expect(admitsJoiner(['gateway', 'operator'], 'gateway')).toBe(true)
  })
})

describe('a used invite', () => {
  const [used] = takeInvite(opened(wanted('a')), attempt('a'), NOW_MS)

  test('gives its host the roster again, even after its end', () => {
    const again = attempt('a', { isMember: true, isProven: false })

    expect(takeInvite(used, again, NOW_MS + 2 * HOUR_MS)).toEqual([used, { kind: 'again' }])
  })

  test('still admits its host where the roster was never signed, but not after its end', () => {
    const back = attempt('a', { isProven: false })

    expect(takeInvite(used, back, NOW_MS)[1]).toMatchObject({ kind: 'admit' })
    const late = takeInvite(used, back, NOW_MS + HOUR_MS)[1]
    expect(late).toEqual({ kind: 'refused', reason: 'expired' })
  })

  test('is used for every other host, whatever it proves', () => {
    const other = attempt('a', { peerId: 'slate' })

    expect(takeInvite(used, other, NOW_MS)).toEqual([used, { kind: 'refused', reason: 'used' }])
  })
})

describe('opening', () => {
  test('stops at the maximum until one is used or over', () => {
    const all = Array.from({ length: INVITES_OPEN_MAX }, (_, index) => wanted(`i${index}`))
    const full = opened(...all)

    const refusal = openInvite(full, wanted('more'), NOW_MS)
    expect(refusal).toEqual([full, { kind: 'full', max: INVITES_OPEN_MAX }])
    const [fewer] = takeInvite(full, attempt('i0'), NOW_MS)
    expect(openInvite(fewer, wanted('more'), NOW_MS)[1].kind).toBe('opened')
    const later = wanted('more', { expiresMs: NOW_MS + 2 * HOUR_MS })
    expect(openInvite(full, later, NOW_MS + HOUR_MS)[1].kind).toBe('opened')
  })

  test('refuses one that would keep the door open too long', () => {
    const long = wanted('a', { expiresMs: NOW_MS + INVITE_MS_MAX + 1 })

    expect(openInvite([], long, NOW_MS)).toEqual([[], { kind: 'too_long', maxMs: INVITE_MS_MAX }])
  })

  test('erases the secrets of what has ended, and forgets it after a while', () => {
    const state = opened(wanted('a'))
    const soon = NOW_MS + HOUR_MS
    const [kept] = openInvite(state, wanted('b', { expiresMs: soon + HOUR_MS }), soon)

    expect(kept.map(({ id, secret }) => [id, secret])).toEqual([
      ['a', undefined],
      ['b', 'secret of b']
    ])
    const later = soon + INVITE_KEPT_MS
    const [left] = openInvite(kept, wanted('c', { expiresMs: later + HOUR_MS }), later)
    expect(left.map(({ id }) => id)).toEqual(['b', 'c'])
  })

  test('forgets the oldest used ones above the maximum, never an open one', () => {
    let state = opened(wanted('open'))
    for (let index = 0; index < INVITES_KEPT_MAX + 5; index++) {
      state = openInvite(state, wanted(`i${index}`), NOW_MS)[0]
      state = takeInvite(state, attempt(`i${index}`, { peerId: `p${index}` }), NOW_MS)[0]
    }

    expect(state.length).toBeLessThanOrEqual(INVITES_KEPT_MAX)
    expect(state[0]?.id).toBe('open')
    expect(takeInvite(state, attempt('i0'), NOW_MS)[1]).toMatchObject({ reason: 'unknown' })
  })
})

type Step =
  | { readonly kind: 'open'; readonly id: string; readonly forMs: number }
  | { readonly kind: 'take'; readonly attempt: JoinAttempt }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'restart' }

/** The rules with a history beside them that they know nothing of. */
class Inviter {
  state: Invites = []
  readonly admitted = new Map<string, string>()
  readonly #ends = new Map<string, number>()
  #nowMs = NOW_MS

  step(step: Step): void {
    if (step.kind === 'wait') this.#nowMs += step.ms
    // What is kept is all there is: plain data that survives any way of writing it down.
    if (step.kind === 'restart') this.state = structuredClone(this.state)
    if (step.kind === 'open') this.#open(step.id, this.#nowMs + step.forMs)
    if (step.kind === 'take') this.#take(step.attempt)
  }

  #open(id: string, expiresMs: number): void {
    if (this.#ends.has(id)) return
    this.state = openInvite(this.state, wanted(id, { expiresMs }), this.#nowMs)[0]
    this.#ends.set(id, expiresMs)
  }

  #take(one: JoinAttempt): void {
    const [next, answer] = takeInvite(this.state, one, this.#nowMs)
    this.state = next
    if (answer.kind !== 'admit') return
    const { id, peerId, isProven } = one
    expect(this.admitted.get(id) ?? peerId).toBe(peerId)
    expect(isProven || this.admitted.has(id)).toBe(true)
    expect(this.#nowMs).toBeLessThan(this.#ends.get(id) ?? 0)
    this.admitted.set(id, peerId)
  }
}

describe('whatever happens, in any order and over any restart,', () => {
  const ids = fc.constantFrom('a', 'b', 'c')
  const steps: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ kind: fc.constant('open'), id: ids, forMs: fc.integer({ min: 1, max: 500 }) }),
    fc.record({
      kind: fc.constant('take'),
      attempt: fc.record({
        id: ids,
        peerId: fc.constantFrom('p', 'q', 'r'),
        joiner: fc.constantFrom('agent', 'gateway'),
        isProven: fc.boolean(),
        isMember: fc.boolean()
      })
    }),
    fc.record({ kind: fc.constant('wait'), ms: fc.integer({ min: 0, max: 300 }) }),
    fc.record({ kind: fc.constant('restart') })
  )

  test('an invite admits one host at most, never after its end, never without its proof', () => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 60 }), (all) => {
        const inviter = new Inviter()
        for (const step of all) inviter.step(step)
        for (const [id, peerId] of inviter.admitted) {
          expect(inviter.state.find((invite) => invite.id === id)?.usedBy).toBe(peerId)
        }
      }),
      { numRuns: 500 }
    )
  })
})
