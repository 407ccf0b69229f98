import { BlockList } from 'node:net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  blockRange,
  formatAddress,
  holdsRange,
  overlaps,
  parseAddress,
  rangeOf
} from '../../../protocol/core/address-range.ts'

const addresses = fc.nat(0xff_ff_ff_ff)
const blocks = fc
  .record({ address: addresses, prefix: fc.integer({ min: 1, max: 32 }) })
  .map(({ address, prefix }) => ({ address: address - (address % 2 ** (32 - prefix)), prefix }))

test('an address that is written and read again is the same', () => {
  fc.assert(fc.property(addresses, (one) => parseAddress(formatAddress(one)) === one))
})

test('a block holds the addresses that Node says it holds', () => {
  fc.assert(
    fc.property(blocks, addresses, ({ address, prefix }, other) => {
      const list = new BlockList()
      list.addSubnet(formatAddress(address), prefix)
      const point = { first: other, last: other }
      const range = blockRange(address, prefix) ?? point

      expect(holdsRange(range, point)).toBe(list.check(formatAddress(other)))
      expect(overlaps(range, point)).toBe(holdsRange(range, point))
    })
  )
})

test('an address with bits beyond its prefix is no block', () => {
  expect(blockRange(1, 31)).toBeUndefined()
  expect(() => rangeOf('10.0.0.1/8')).toThrow('no block')
  expect(rangeOf('10.0.0.1')).toEqual({ first: 0x0a_00_00_01, last: 0x0a_00_00_01 })
})
