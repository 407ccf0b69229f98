import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BoundedMap } from '../../../protocol/wire/bounded-map.ts'

test('never holds more than its maximum, and forgets what was set longest ago', () => {
  const map = new BoundedMap<number, string>(3)
  for (let key = 0; key < 100; key += 1) {
    map.set(key, `${key}`)
    expect(map.size).toBeLessThanOrEqual(3)
  }
  expect([96, 97, 98, 99].map((key) => map.get(key))).toEqual([undefined, '97', '98', '99'])
})

test('setting a key again keeps it longer and counts it once', () => {
  const map = new BoundedMap<string, number>(2)
  map.set('a', 1)
  map.set('b', 2)
  map.set('a', 3)
  map.set('c', 4)
  expect(map.size).toBe(2)
  expect([map.get('a'), map.get('b'), map.get('c')]).toEqual([3, undefined, 4])
})

test('whatever is set again and again, it holds what was set last, in any order of calls', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.array(fc.nat(8)), (max, keys) => {
      const map = new BoundedMap<number, number>(max)
      for (const [at, key] of keys.entries()) {
        map.set(key, at)
        const last = [...new Set(keys.slice(0, at + 1).reverse())].slice(0, max)
        for (const other of [0, 1, 2, 3, 4, 5, 6, 7, 8]) {
          const expected = last.includes(other) ? keys.lastIndexOf(other, at) : undefined
          expect(map.get(other)).toBe(expected)
        }
      }
    })
  )
})
