import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { secretProblem, WebhookSecret } from '../../../gateway/hooks/standard-webhook.ts'
import { codeOf } from '../../../protocol/core/errors.ts'
import { VECTOR, webhookSecret, webhookSignature } from '../../support/standard-webhook.ts'

const secret = new WebhookSecret(VECTOR.secret)
const nowMs = VECTOR.seconds * 1000
const good = { id: VECTOR.id, timestamp: String(VECTOR.seconds), signature: VECTOR.signature }

function refusal(headers: Partial<Record<keyof typeof good, string | undefined>>, atMs = nowMs) {
  try {
    return secret.verify({ ...good, ...headers }, VECTOR.body, atMs, 'team/kernel')
  } catch (error) {
    return codeOf(error)
  }
}

describe('a delivery signed as Standard Webhooks', () => {
  test('the published test vector verifies, and both sides make the same signature', () => {
    expect(webhookSignature(VECTOR)).toBe(VECTOR.signature)
    expect(secret.sign(VECTOR.id, VECTOR.seconds, VECTOR.body)).toBe(VECTOR.signature)
    expect(refusal({})).toBe(VECTOR.id)
  })

  test('one right signature among others of a secret that is being replaced is enough', () => {
    const other = webhookSignature({ ...VECTOR, secret: webhookSecret() })
    expect(refusal({ signature: `${other} v1a,abc ${VECTOR.signature}` })).toBe(VECTOR.id)
    expect(refusal({ signature: `${other} v1a,abc` })).toBe('SIGNATURE_MISMATCH')
  })

  test.each([
    ['missing', undefined],
    ['empty', ''],
    ['blank', '   '],
    ['without version', VECTOR.signature.slice(3)],
    ['of another version', VECTOR.signature.replace('v1', 'v2')],
    ['cut short', VECTOR.signature.slice(0, -2)],
    ['with another last character', `${VECTOR.signature.slice(0, -2)}h=`]
  ])('a signature %s is refused', (_name, signature) => {
    expect(refusal({ signature })).toBe('SIGNATURE_MISMATCH')
  })

  test.each([undefined, '', 'with space', 'a.1', 'x'.repeat(129)])('the id %j is refused', (id) => {
    expect(refusal({ id })).toBe('SIGNATURE_MISMATCH')
  })

  test.each([undefined, '', '1767225600abc', '-1', '1e9', '1767225600.5'])(
    'the timestamp %j is refused',
    (timestamp) => {
      expect(refusal({ timestamp })).toBe('SIGNATURE_MISMATCH')
    }
  )

  test('a timestamp is taken up to five minutes off, in both directions, and no further', () => {
    for (const direction of [-1, 1]) {
      expect(refusal({}, nowMs + direction * 300_000)).toBe(VECTOR.id)
      expect(refusal({}, nowMs + direction * 300_001)).toBe('TIMESTAMP_OFF')
    }
  })

  test('only who can sign learns that the clocks differ', () => {
    expect(refusal({ signature: 'v1,AAAA' }, nowMs + 900_000)).toBe('SIGNATURE_MISMATCH')
  })

  test('no other body, id or time passes under the same signature', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom('body', 'id', 'seconds'), (text, part) => {
        const changed = { ...VECTOR, [part]: part === 'seconds' ? VECTOR.seconds + 1 : `${text}x` }
        const headers = {
          id: changed.id,
          timestamp: String(changed.seconds),
          signature: VECTOR.signature
        }
        expect(() => secret.verify(headers, changed.body, nowMs, 'r')).toThrow(/signature/)
      })
    )
  })
})

describe('a hook secret', () => {
  test('is whsec_ and 24 to 64 bytes of base64', () => {
    const of = (bytes: number) => `whsec_${Buffer.alloc(bytes, 7).toString('base64')}`

    expect([24, 32, 64].map((bytes) => secretProblem(of(bytes)))).toEqual(
      Array.from({ length: 3 }, () => undefined)
    )
    for (const text of ['', 'secret', 'whsec_', of(23), of(65), `${of(32)}=`, ` ${of(32)}`]) {
      expect(secretProblem(text), text).toMatch(/./)
    }
  })
})
