import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JobOp, JobOpBody } from '../../../protocol/core/job.ts'
import { SIGNED_TOGETHER_MAX } from '../../../protocol/core/signature-limits.ts'
import { batchSigner } from '../../../protocol/wire/batch-signer.ts'
import { FieldReader } from '../../../protocol/wire/field-reader.ts'
import { FieldWriter } from '../../../protocol/wire/field-writer.ts'
import { generateKey, verify } from '../../../protocol/wire/keys.ts'
import {
  readSignature,
  signedBy,
  signTogether,
  writeSignature
} from '../../../protocol/wire/shared-signature.ts'
import { proofOf } from '../../../protocol/wire/signature-proof.ts'
import { verifier } from '../../../protocol/wire/verifier.ts'
import { JOB_ID, jobAfter } from './samples.ts'

const HOLDER = generateKey()
const OTHER = generateKey()

const CANCEL: JobOpBody = { kind: 'cancel', reason: 'no longer wanted' }
const messages = (count: number): Uint8Array[] => {
  return Array.from({ length: count }, (_, index) => Buffer.from(`statement ${index}`))
}
const opId = (index: number): string => `${index}`.padStart(32, '0')

// As field 1 of a message: its tag, its length, its bytes.
const written = (sig: string): Uint8Array => {
  return new FieldWriter().whole(sig, (writer) => writeSignature(writer, 1, 'sig', sig))
}
const read = (bytes: Uint8Array): string => {
  return new FieldReader(bytes).whole((reader) => readSignature(reader, 1, 'sig'))
}
const head = (size: number): Uint8Array => {
  return Uint8Array.of(0x0a, ...(size < 128 ? [size] : [(size & 127) | 128, size >> 7]))
}

/** As the verifier does, by Node's own Ed25519. */
function holds(peerId: string, message: Uint8Array, signature: string): boolean {
  const proof = proofOf(signature)
  if (proof === undefined) return false
  const signed = signedBy(message, proof)
  return verify(peerId, signed.message, Buffer.from(signed.signature, 'hex'))
}

describe('a signature over many statements', () => {
  test('proves each of them, alone, and no other', () => {
    const counts = fc.integer({ min: 1, max: SIGNED_TOGETHER_MAX })
    fc.assert(
      fc.property(counts, fc.nat(), fc.nat(), (count, one, other) => {
        const all = messages(count)
        const sigs = signTogether(HOLDER, all)
        const [at, wrong] = [one % count, other % count]
        const [message = new Uint8Array(), sig = ''] = [all[at], sigs[at]]

        expect(holds(HOLDER.peerId, message, sig)).toBe(true)
        expect(holds(OTHER.peerId, message, sig)).toBe(false)
        expect(holds(HOLDER.peerId, Buffer.from('statement 64'), sig)).toBe(false)
        expect(holds(HOLDER.peerId, message, sigs[wrong] ?? '')).toBe(wrong === at)
      }),
      { numRuns: 60 }
    )
  })

  test('has one spelling: any flipped bit, or a piece more or less, is refused', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 9 }), fc.nat(), fc.nat(), (count, one, bit) => {
        const all = messages(count)
        const at = one % count
        const bytes = Buffer.from(signTogether(HOLDER, all)[at] ?? '', 'hex')
        const place = bit % (bytes.length * 8)
        const message = all[at] ?? new Uint8Array()
        const flipped = Buffer.from(bytes)
        flipped.writeUInt8((flipped[place >> 3] ?? 0) ^ (1 << (place & 7)), place >> 3)

        expect(holds(HOLDER.peerId, message, flipped.toString('hex'))).toBe(false)
        for (const other of [
          bytes.subarray(0, 64),
          bytes.subarray(0, 65),
          bytes.subarray(0, -32),
          bytes.subarray(0, -1),
          Buffer.concat([bytes, Buffer.alloc(32)]),
          Buffer.concat([bytes, Buffer.alloc(1)])
        ]) {
          expect(holds(HOLDER.peerId, message, other.toString('hex')), `${other.length}`).toBe(
            false
          )
        }
      }),
      { numRuns: 200 }
    )
  })

  test('of one statement is the plain signature that it always was', () => {
    const [message = new Uint8Array()] = messages(1)
    const [sig = ''] = signTogether(HOLDER, [message])

    expect(sig).toHaveLength(128)
    expect(verify(HOLDER.peerId, message, Buffer.from(sig, 'hex'))).toBe(true)
  })

  test('does not prove a knot of its own tree, shown as a statement', () => {
    const all = messages(4)
    const bytes = Buffer.from(signTogether(HOLDER, all)[0] ?? '', 'hex')
    // What the lower two hashes make is signed as well, but it is no statement.
    const lower = bytes.subarray(65, 97)
    const upper = bytes.subarray(97, 129)
    const short = Buffer.concat([bytes.subarray(0, 64), Uint8Array.of(0), upper])

    for (const leaf of [lower, upper, Buffer.concat([lower, upper])]) {
      expect(holds(HOLDER.peerId, leaf, short.toString('hex'))).toBe(false)
    }
  })
})

test.each([0, 1, 63, 65, 66, 96, 98, 64 + 1 + 7 * 32, 1_000])(
  '%i bytes are no signature',
  (size) => {
    expect(() => written('ab'.repeat(size))).toThrow()
    expect(() => read(Buffer.concat([head(size), Buffer.alloc(size)]))).toThrow()
    expect(proofOf('ab'.repeat(size))).toBeUndefined()
  }
)

test.each([64, 97, 129, 161, 193, 225, 257])('%i bytes come out as they went in', (size) => {
  const sig = 'ab'.repeat(size)
  expect(written(sig)).toEqual(Buffer.concat([head(size), Buffer.from(sig, 'hex')]))
  expect(read(written(sig))).toBe(sig)
})

describe('ops that are asked for in one tick', () => {
  test('share a signature, and each value that holds one is believed', async () => {
    const batch = batchSigner(HOLDER)
    const ops: JobOp[] = await Promise.all(
      Array.from({ length: 150 }, (_, index) => batch.jobOp(JOB_ID, opId(index), CANCEL))
    )
    const believed = verifier()
    const value = jobAfter(HOLDER, CANCEL)

    expect(new Set(ops.map(({ sig }) => sig.slice(0, 128))).size).toBe(3)
    for (const op of ops) expect(believed.value({ ...value, op })).toBe(true)
    const [first, second] = ops
    if (first === undefined || second === undefined) throw new Error('no ops')
    expect(believed.value({ ...value, op: { ...first, sig: second.sig } })).toBe(false)
  })

  test('are each the same as if it were asked for alone, but for its signature', async () => {
    const one = await batchSigner(HOLDER).jobOp(JOB_ID, opId(1), CANCEL)
    const batch = batchSigner(HOLDER)
    const [same] = await Promise.all(
      [1, 2].map((index) => batch.jobOp(JOB_ID, opId(index), CANCEL))
    )

    expect({ ...same, sig: one.sig }).toEqual(one)
    expect(one.sig).toHaveLength(128)
    expect(same?.sig).toHaveLength(2 * 97)
  })

  test('fail alone where one of them has no encoding', async () => {
    const batch = batchSigner(HOLDER)
    const [good, bad] = await Promise.allSettled([
      batch.jobOp(JOB_ID, opId(1), CANCEL),
      batch.jobOp(JOB_ID, opId(2), { kind: 'cancel', reason: '\ud800' })
    ])

    expect(good?.status).toBe('fulfilled')
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'MESSAGE_INVALID' } })
  })
})
