import fc from 'fast-check'
import { generateKey } from '../../../protocol/wire/keys.ts'

/*
 * Fields of any message that may be sent: each is drawn from all that its limits allow, sizes kept
 * small, so that a round trip that loses or mixes up a field is found in a few runs.
 */

export const KEYS = Array.from({ length: 4 }, generateKey)

export const peerIds = fc.constantFrom(...KEYS.map((key) => key.peerId))
export const hex = (bytes: number): fc.Arbitrary<string> =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map((array) => Buffer.from(array).toString('hex'))
export const ids = hex(16)
export const boots = hex(8)
export const hashes = hex(32)
export const sigs = hex(64)
/** Of an op, a proposal: alone, or with up to 63 others. */
export const sharedSigs = fc.oneof(
  sigs,
  fc.integer({ min: 1, max: 6 }).chain((depth) => hex(65 + 32 * depth))
)
export const counts = fc.oneof(
  fc.nat(300),
  fc.maxSafeNat(),
  fc.constantFrom(0, 127, 128, 2 ** 32, Number.MAX_SAFE_INTEGER)
)
export const positive = counts.map((value) => Math.max(1, value))
/** Well-formed text with ASCII, umlauts, CJK and characters beyond the first plane. */
export const texts = fc.string({ unit: 'grapheme', maxLength: 12 })
export const names = fc.oneof(
  fc.stringMatching(/^[a-z][a-z0-9 ._/-]{0,20}$/),
  fc.constantFrom('größe', '構建', '🚀 ship', '__proto__', 'constructor')
)
export const option = <T>(arb: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arb, { nil: undefined })
export const some = <T>(arb: fc.Arbitrary<T>, maxLength = 3): fc.Arbitrary<T[]> =>
  fc.array(arb, { maxLength })
export const blobs = fc.uint8Array({ maxLength: 40 })

export const runIds = fc.stringMatching(/^[0-9A-HJKMNP-TV-Z]{26}$/)
export const jobIds = fc.tuple(runIds, fc.nat(255)).map(([run, index]) => `${run}.${index}`)
export const registers = fc.oneof(runIds, jobIds)
