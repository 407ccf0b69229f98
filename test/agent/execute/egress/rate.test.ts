import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Rate } from '../../../../agent/execute/egress/rate.ts'

test('no window of a second takes more than so many, and an idle one takes all of them', () => {
  const steps = fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 60 })
  const property = fc.property(fc.integer({ min: 1, max: 5 }), steps, (max, waits) => {
    let now = 0
    const rate = new Rate(max, () => now)
    const taken: number[] = []
    for (const wait of waits) {
      now += wait
      if (rate.take()) taken.push(now)
    }
    // Two windows may meet in one second of the wall's.
    for (const from of taken) {
      expect(taken.filter((at) => from <= at && at < from + 1_000).length).toBeLessThanOrEqual(
        2 * max
      )
    }
    now += 1_000
    for (let count = 0; count < max; count += 1) expect(rate.take()).toBe(true)
    expect(rate.take()).toBe(false)
  })
  fc.assert(property)
})
