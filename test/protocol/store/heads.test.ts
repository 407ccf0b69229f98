import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Head, Heads } from '../../../protocol/store/heads.ts'

const headOf = (place: number): Head => ({ place, ballot: undefined, checksum: undefined })

test('the heads that came first leave first, and a replaced one is the new one', () => {
  const heads = new Heads(2, () => false)
  heads.set('a', headOf(1))
  heads.set('b', headOf(2))
  heads.set('a', headOf(3))
  heads.set('c', headOf(4))
  heads.set('d', headOf(5))

  const places = ['a', 'b', 'c', 'd'].map((key) => heads.get(key)?.place)
  expect(places).toEqual([undefined, undefined, 4, 5])
})

test('a head behind a write never leaves, and there are never more than the others have room for', () => {
  const sets = fc.array(fc.nat(30), { maxLength: 200 })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.nat(12), sets, (max, pinned, keys) => {
      const heads = new Heads(max, (key) => Number(key) < pinned)
      const latest = new Map<string, number>()
      for (const [index, key] of keys.entries()) {
        heads.set(String(key), headOf(index))
        latest.set(String(key), index)
        expect(heads.get(String(key))?.place).toBe(index)
      }

      const held = [...latest.keys()].filter((key) => heads.get(key) !== undefined)
      for (const key of held) expect(heads.get(key)?.place).toBe(latest.get(key))
      const writing = [...latest.keys()].filter((key) => Number(key) < pinned)
      expect(held).toEqual(expect.arrayContaining(writing))
      expect(held.length).toBeLessThanOrEqual(Math.max(max, writing.length + 1))
    })
  )
})
