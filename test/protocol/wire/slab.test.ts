import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SLAB_BYTES, Slab } from '../../../protocol/wire/slab.ts'

const sizes = fc.array(fc.oneof(fc.nat(1_500), fc.nat(2 * SLAB_BYTES)), { maxLength: 40 })

test('copies share no byte with each other, nor with what they are copies of', () => {
  fc.assert(
    fc.property(sizes, (lengths) => {
      const slab = new Slab()
      const copies = lengths.map((length, index) => {
        const source = new Uint8Array(length).fill(index)
        const copy = slab.copy(source)
        source.fill(255)
        return copy
      })

      for (const [index, copy] of copies.entries()) {
        expect(copy.length).toBe(lengths[index])
        expect(copy.every((byte) => byte === index)).toBe(true)
      }
    })
  )
})

test('a copy that is kept keeps no more memory than a slab alive, or than it needs', () => {
  fc.assert(
    fc.property(sizes, (lengths) => {
      const slab = new Slab()
      for (const length of lengths) {
        const { byteLength } = slab.copy(new Uint8Array(length)).buffer
        expect(byteLength).toBeLessThanOrEqual(Math.max(SLAB_BYTES, length))
      }
    })
  )
  // 50 000 registers that are kept: 205 MB at worst.
  expect(SLAB_BYTES).toBeLessThanOrEqual(4_096)
})
