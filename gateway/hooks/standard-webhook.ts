import { timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { Webhook } from 'standardwebhooks'
import { z } from 'zod'
import { MeshError } from '../../protocol/core/errors.ts'
import { DELIVERY_AGE_S_MAX } from '../../protocol/core/limits.ts'
import { headerOf } from './forge-hook.ts'

/** The three headers of Standard Webhooks, as they came. */
export interface WebhookHeaders {
  readonly id: string | undefined
  /** Whole seconds since 1970. */
  readonly timestamp: string | undefined
  /** `v1,BASE64`, several of them parted by spaces while a secret is being replaced. */
  readonly signature: string | undefined
}

const SECRET = /^whsec_([A-Za-z0-9+/]+={0,2})$/
/** Bytes that a key should have, from the Standard Webhooks specification. */
const KEY_BYTES_MIN = 24
const KEY_BYTES_MAX = 64

// A full stop in an id would let `a.1` + body pass as `a` + `1.` + body: the text that is signed
// joins id, time and body with full stops.
const ID = /^[\w-]{1,128}$/
const SECONDS = /^\d{1,12}$/

/** Those of a delivery. */
export function signedHeadersOf(headers: IncomingHttpHeaders): WebhookHeaders {
  return {
    id: headerOf(headers, 'webhook-id'),
    timestamp: headerOf(headers, 'webhook-timestamp'),
    signature: headerOf(headers, 'webhook-signature')
  }
}

/** For the API document only: what is wrong with them is a matter of the signature. */
export const webhookHeadersSchema = z.object({
  'webhook-id': z.string().regex(ID).meta({
    description: 'Id of the delivery: sent again under the same id, it starts no second run.'
  }),
  'webhook-timestamp': z
    .string()
    .regex(SECONDS)
    .meta({
      description: `Whole seconds since 1970, at most ${DELIVERY_AGE_S_MAX} off.`
    }),
  'webhook-signature': z.string().meta({
    description:
      '`v1,` and the base64 of HMAC-SHA-256 over id, timestamp and body, joined by full stops; ' +
      'several are parted by spaces.'
  })
})

/** What is wrong with a hook secret, undefined where it can be used. */
export function secretProblem(text: string): string | undefined {
  const encoded = SECRET.exec(text)?.[1]
  if (encoded === undefined) return 'it must be `whsec_` and base64'
  const key = Buffer.from(encoded, 'base64')
  if (key.toString('base64') !== encoded) return 'its base64 is not well formed'
  if (key.length < KEY_BYTES_MIN || key.length > KEY_BYTES_MAX) {
    return `its key has ${key.length} bytes, ${KEY_BYTES_MIN} to ${KEY_BYTES_MAX} are needed`
  }
  return undefined
}

/** One repository's secret, ready to check deliveries. Source: standardwebhooks.com, spec 1.0. */
export class WebhookSecret {
  readonly #webhook: Webhook

  /** `text` is `whsec_...`, checked with secretProblem before. */
  constructor(text: string) {
    this.#webhook = new Webhook(text)
  }

  sign(id: string, seconds: number, body: string): string {
    return this.#webhook.sign(id, new Date(seconds * 1000), body)
  }

  /**
   * The delivery's id, once the body is known to be its sender's. The library's own verify() asks
   * the system's clock, takes `12abc` for a timestamp and reads broken UTF-8 as equal, so only its
   * signature is used. Throws SIGNATURE_MISMATCH, TIMESTAMP_OFF.
   */
  verify(headers: WebhookHeaders, body: string, nowMs: number, repository: string): string {
    const refuse = (problem: string): MeshError =>
      new MeshError('SIGNATURE_MISMATCH', { problem, repository })
    const { id, timestamp, signature } = headers
    if (signature === undefined || id === undefined || timestamp === undefined) {
      throw refuse('missing')
    }
    if (signature.trim() === '') throw refuse('empty')
    if (!ID.test(id)) throw refuse('of no usable webhook-id')
    if (!SECONDS.test(timestamp)) throw refuse('of no usable webhook-timestamp')
    const seconds = Number(timestamp)
    if (!hasSignature(signature, this.sign(id, seconds, body))) throw refuse('wrong')
    // After the signature: only its sender learns how far apart the clocks are.
    const offS = Math.abs(nowMs / 1000 - seconds)
    if (offS > DELIVERY_AGE_S_MAX) {
      const facts = { offS: Math.ceil(offS), maxS: DELIVERY_AGE_S_MAX, repository }
      throw new MeshError('TIMESTAMP_OFF', facts)
    }
    return id
  }
}

function hasSignature(header: string, expected: string): boolean {
  const wanted = Buffer.from(expected)
  // No early end: every candidate is compared, each in constant time.
  return header.split(' ').reduce((found, candidate) => {
    const given = Buffer.from(candidate)
    return (given.length === wanted.length && timingSafeEqual(given, wanted)) || found
  }, false)
}
