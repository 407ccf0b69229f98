import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type MoveSight, moveReason, moverOf } from '../../../protocol/core/move-duty.ts'
import { MOVE_AFTER_MS } from '../../../protocol/core/roster-limits.ts'
import { quorumOf, type WitnessRef } from '../../../protocol/core/witnesses.ts'

const refs = (...names: readonly string[]): readonly WitnessRef[] => {
  return names.map((name) => ({ peerId: name, storeId: `store-${name}`, zone: name }))
}
const LONG = MOVE_AFTER_MS + 1

function sightOf(fields: Partial<MoveSight> = {}, away: Readonly<Record<string, number>> = {}) {
  const sight: MoveSight = {
    me: 'a',
    witnesses: refs('a', 'b', 'c'),
    targets: refs('a', 'b', 'd'),
    seated: refs('a', 'b', 'd'),
    holder: undefined,
    gateways: ['g', 'f'],
    awayMs: (peer) => away[peer] ?? 0,
    ...fields
  }
  return sight
}

describe('a job is to move', () => {
  test('off a witness that is none any more, also while that one still answers', () => {
    expect(moveReason(sightOf())).toBe('witness_gone')
    expect(moveReason(sightOf({}, { c: Number.POSITIVE_INFINITY }))).toBe('witness_gone')
  })

  test('off one that came back with another store', () => {
    const fresh = { peerId: 'c', storeId: 'store-new', zone: 'c' }
    const after = { targets: [...refs('a', 'b'), fresh], seated: [...refs('a', 'b'), fresh] }
    expect(moveReason(sightOf(after))).toBe('witness_gone')
  })

  test('off one that is away for long, but only to where it is not', () => {
    const seated = refs('a', 'b', 'c', 'd')
    expect(moveReason(sightOf({ seated }, { c: LONG }))).toBe('witness_away')
    expect(moveReason(sightOf({ seated }, { c: MOVE_AFTER_MS }))).toBeUndefined()
    const same = { seated, targets: refs('a', 'c', 'd') }
    expect(moveReason(sightOf(same, { c: LONG }))).toBeUndefined()
  })

  test('at no time off witnesses that are all there', () => {
    expect(moveReason(sightOf({ seated: refs('a', 'b', 'c', 'd') }))).toBeUndefined()
  })

  test('only while a majority lives, here and there', () => {
    expect(moveReason(sightOf({}, { b: 1, c: LONG }))).toBeUndefined()
    expect(moveReason(sightOf({}, { b: 1, d: 1 }))).toBeUndefined()
  })
})

describe('it is moved', () => {
  test('by its holder, whoever else could', () => {
    expect(moverOf(sightOf({ holder: 'h' }))).toBe('h')
    expect(moverOf(sightOf({ holder: 'h' }, { h: MOVE_AFTER_MS }))).toBe('h')
    expect(moverOf(sightOf({ holder: 'h' }, { h: LONG }))).toBe('a')
  })

  test('by the first of its witnesses that lives, else by a gateway', () => {
    expect(moverOf(sightOf({}, { a: 1 }))).toBe('b')
    expect(moverOf(sightOf({ witnesses: refs('x'), seated: [] }, { x: 1 }))).toBe('f')
    expect(moverOf(sightOf({ witnesses: refs('x') }, { x: 1, f: 1, g: 1 }))).toBeUndefined()
  })
})

test('a job that moves has a quorum on both sides, and leaves what is bad behind', () => {
  const peer = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f')
  const set = fc.uniqueArray(peer, { minLength: 1, maxLength: 5 })
  const times = fc.dictionary(peer, fc.constantFrom(1, LONG))
  fc.assert(
    fc.property(set, set, set, times, (witnesses, targets, more, away) => {
      const seated = refs(...new Set([...targets, ...more]))
      const sight = sightOf(
        { witnesses: refs(...witnesses), targets: refs(...targets), seated },
        away
      )
      if (moveReason(sight) === undefined) return
      const live = (names: readonly string[]) => names.filter((name) => away[name] === undefined)
      expect(live(witnesses).length).toBeGreaterThanOrEqual(quorumOf(witnesses.length))
      expect(live(targets).length).toBeGreaterThanOrEqual(quorumOf(targets.length))
      const isSeated = (name: string) => seated.some(({ peerId }) => peerId === name)
      expect(witnesses.some((name) => !isSeated(name) || away[name] === LONG)).toBe(true)
    })
  )
})
