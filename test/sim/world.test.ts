import { describe, expect, test } from 'vitest'
import { World } from './world.ts'

describe('a simulated mesh', () => {
  test('is the same for the same seed, and another for another', () => {
    const first = new World(7).run()
    const again = new World(7).run()

    expect(again).toEqual(first)
    expect(new World(8).run().digest).not.toBe(first.digest)
  })

  test('keeps every invariant whatever fails', () => {
    const results = Array.from({ length: 50 }, (_, index) => new World(index + 1).run())

    expect(results.filter(({ violation }) => violation !== undefined)).toEqual([])
    // Else nothing was ever taken over, and the claim above would hold for nothing.
    expect(Math.max(...results.map(({ epochMax }) => epochMax))).toBeGreaterThan(1)
    expect(results.some(({ jobs }) => jobs > 3)).toBe(true)
  })
})
