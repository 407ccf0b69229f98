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
