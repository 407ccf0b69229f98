import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SIGNED_TOGETHER_MAX } from '../../../protocol/core/signature-limits.ts'
import { isSigned } from '../../../protocol/wire/good-signatures.ts'
import { generateKey, verify } from '../../../protocol/wire/keys.ts'
import { signedBy, signTogether } from '../../../protocol/wire/shared-signature.ts'
import { type Proof, proofOf } from '../../../protocol/wire/signature-proof.ts'
import { SignedTree } from '../../../protocol/wire/signed-tree.ts'

const KEY = generateKey()
const OTHER = generateKey()

const messages = (count: number): Uint8Array[] => {
  return Array.from({ length: count }, (_, index) => Buffer.from(`statement ${index}`))
}

function proof(signature: string): Proof {
  const found = proofOf(signature)
  if (found === undefined) throw new Error('no proof')
  return found
}

/** By the signature of the root alone, whatever is known. */
function isProven(message: Uint8Array, signature: string): boolean {
  const found = proofOf(signature)
  if (found === undefined) return false
  const signed = signedBy(message, found)
  return verify(KEY.peerId, signed.message, Buffer.from(signed.signature, 'hex'))
}

test('a tree that knows one statement proves the others, in whatever order they come', () => {
  const counts = fc.integer({ min: 2, max: SIGNED_TOGETHER_MAX })
  fc.assert(
    fc.property(counts, fc.infiniteStream(fc.nat()), (count, order) => {
      const all = messages(count)
      const sigs = signTogether(KEY, all)
      const tree = new SignedTree(all[0] ?? Buffer.of(), proof(sigs[0] ?? ''))
      for (const step of order.take(3 * count)) {
        const at = step % count
        expect(tree.holds(all[at] ?? Buffer.of(), proof(sigs[at] ?? ''))).toBe(true)
        expect(tree.holds(Buffer.from('another'), proof(sigs[at] ?? ''))).toBe(false)
      }
    }),
    { numRuns: 40 }
  )
})

test('what a tree has seen changes no answer: a flipped bit is refused wherever it is', () => {
  const cases = fc.record({
    count: fc.integer({ min: 2, max: 33 }),
    shown: fc.array(fc.nat(), { maxLength: 20 }),
    of: fc.nat(),
    message: fc.nat(),
    bit: fc.option(fc.nat(), { nil: undefined })
  })
  fc.assert(
    fc.property(cases, ({ count, shown, of, message, bit }) => {
      // Of other statements each time: nothing is known of them yet.
      const key = generateKey()
      const all = messages(count)
      const sigs = signTogether(key, all)
      for (const at of shown.map((each) => each % count)) {
        expect(isSigned(key.peerId, all[at] ?? Buffer.of(), sigs[at] ?? '')).toBe(true)
      }
      const bytes = Buffer.from(sigs[of % count] ?? '', 'hex')
      if (bit !== undefined) {
        const place = bit % (bytes.length * 8)
        bytes.writeUInt8((bytes[place >> 3] ?? 0) ^ (1 << (place & 7)), place >> 3)
      }

      const isRight = bit === undefined && of % count === message % count
      const asked = all[message % count] ?? Buffer.of()
      expect(isSigned(key.peerId, asked, bytes.toString('hex'))).toBe(isRight)
      expect(isSigned(OTHER.peerId, asked, bytes.toString('hex'))).toBe(false)
    }),
    { numRuns: 300 }
  )
})

test('what leads to a knot known, over another way above it, is refused', () => {
  const all = messages(8)
  const sigs = signTogether(KEY, all)
  const tree = new SignedTree(all[0] ?? Buffer.of(), proof(sigs[0] ?? ''))
  const bytes = Buffer.from(sigs[1] ?? '', 'hex')
  // The last hash is beside the way at its uppermost level: nobody would need it any more.
  bytes.writeUInt8((bytes.at(-1) ?? 0) ^ 1, bytes.length - 1)

  expect(isProven(all[1] ?? Buffer.of(), bytes.toString('hex'))).toBe(false)
  expect(tree.holds(all[1] ?? Buffer.of(), proof(bytes.toString('hex')))).toBe(false)
  expect(tree.holds(all[1] ?? Buffer.of(), proof(sigs[1] ?? ''))).toBe(true)
})

test('a tree of another depth under the same signature proves nothing', () => {
  const all = messages(4)
  const sigs = signTogether(KEY, all)
  const tree = new SignedTree(all[0] ?? Buffer.of(), proof(sigs[0] ?? ''))
  const whole = proof(sigs[1] ?? '')
  const short: Proof = { ...whole, depth: 1, place: 1, way: whole.way.subarray(0, 32) }

  expect(tree.holds(all[1] ?? Buffer.of(), short)).toBe(false)
})
