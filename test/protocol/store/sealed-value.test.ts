import fc from 'fast-check'
import { expect, test } from 'vitest'
import { crc32c, crc32cOfText } from '../../../protocol/store/crc32c.ts'
import { sealRow, unpackRow } from '../../../protocol/store/record-row.ts'
import {
  sealJson,
  sealValue,
  unsealJson,
  unsealValue
} from '../../../protocol/store/sealed-value.ts'

/** Bit by bit, as the polynomial has it. */
function plainCrc32c(bytes: Uint8Array, seed = 0): number {
  let crc = ~seed
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit += 1)
      crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

test('a checksum is that of the bits, however long the bytes and wherever they begin', () => {
  const bytes = fc.uint8Array({ maxLength: 100 })
  fc.assert(
    fc.property(bytes, fc.nat(20), fc.nat(0xffffffff), (all, from, seed) => {
      expect(crc32c(all, seed, from)).toBe(plainCrc32c(all.subarray(from), seed))
    })
  )
})

test('the checksum of a text is that of its UTF-8 bytes', () => {
  const texts = fc.oneof(fc.string(), fc.string({ unit: 'binary' }))
  fc.assert(
    fc.property(texts, fc.nat(0xffffffff), (text, seed) => {
      expect(crc32cOfText(text, seed)).toBe(plainCrc32c(Buffer.from(text), seed))
    })
  )
})

// Stores of earlier versions must be read, and theirs must read ours.
test('values have the bytes that they had in the first version', () => {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
  const payload = Uint8Array.from({ length: 19 }, (_, index) => index * 13)

  expect(hex(sealValue('a/ab', payload))).toBe('019d362eea000d1a2734414e5b6875828f9ca9b6c3d0ddea')
  expect(hex(sealRow('r/RUN.0@1', 300, Buffer.from('record')))).toBe(
    '015f9477c300000000012c7265636f7264'
  )
  expect(hex(sealJson('meta/floor/é', { gwSeq: 7, who: 'é' }))).toBe(
    '0186374ddd7b226777536571223a372c2277686f223a22c3a9227d'
  )
})

test('what was sealed under a key is found there and under no other', () => {
  const key = fc.stringMatching(/^[a-z]\/[A-Z0-9.@]{1,30}$/)
  fc.assert(
    fc.property(
      key,
      key,
      fc.uint8Array({ maxLength: 60 }),
      fc.nat(2 ** 40),
      (one, other, bytes, n) => {
        expect(Buffer.from(unsealValue('dir', one, sealValue(one, bytes)))).toEqual(
          Buffer.from(bytes)
        )
        expect(unsealJson('dir', one, sealJson(one, { n }))).toEqual({ n })
        const { place, record } = unpackRow(unsealValue('dir', one, sealRow(one, n, bytes)))
        expect([place, Buffer.from(record)]).toEqual([n, Buffer.from(bytes)])
        if (one === other) return
        expect(() => unsealValue('dir', other, sealValue(one, bytes))).toThrow('fails its checksum')
      }
    )
  )
})
