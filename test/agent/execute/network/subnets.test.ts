import fc from 'fast-check'
import { expect, test } from 'vitest'
import { freeSubnets } from '../../../../agent/execute/network/subnets.ts'
import { holdsRange, overlaps, rangeOf } from '../../../../protocol/core/address-range.ts'

const POOL = '10.213.0.0/20'
const blocks = fc.constantFrom(
  ...['10.213.0.0/26', '10.213.4.64/26', '10.213.8.0/21', '10.213.15.192/27', '10.0.0.0/16']
)

test('what is given lies in the pool, apart from all that is taken and from one another', () => {
  fc.assert(
    fc.property(fc.subarray([1, 2, 3, 4, 5]), fc.array(blocks), fc.nat(), (_, texts, seed) => {
      const taken = texts.map(rangeOf)
      const given = freeSubnets(POOL, taken, seed, 16).map(rangeOf)

      expect(given.length).toBe(16)
      for (const [index, one] of given.entries()) {
        expect(holdsRange(rangeOf(POOL), one)).toBe(true)
        expect([...taken, ...given.slice(index + 1)].some((other) => overlaps(one, other))).toBe(
          false
        )
      }
    })
  )
})

test('of a pool that is taken there is nothing, of one subnet that one', () => {
  expect(freeSubnets('10.213.0.0/16', [rangeOf('10.0.0.0/8')], 7, 16)).toEqual([])
  expect(freeSubnets('10.213.4.64/26', [], 7, 16)).toEqual(['10.213.4.64/26'])
})

test('the same pool begins elsewhere for another claim', () => {
  expect(freeSubnets(POOL, [], 3, 1)).toEqual(['10.213.0.192/26'])
  expect(freeSubnets(POOL, [], 67, 1)).toEqual(['10.213.0.192/26'])
})
