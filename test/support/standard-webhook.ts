import { createHmac, randomBytes } from 'node:crypto'

/*
 * Standard Webhooks as a sender does it, from the specification and node:crypto alone: shares no
 * code with the gateway or the library that it verifies with.
 */

/** The test vector of design/git-servers.md D1: key bytes 00 to 1f. */
export const VECTOR = {
  secret: 'whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=',
  id: 'f5e5f430-f57b-4e6e-9fac-d9128cd7232f',
  seconds: 1_767_225_600,
  body: '{"object_kind":"push"}',
  signature: 'v1,YoWTc/lnFx0737d3U1+bnfMWl3wbxHZTijwz92juQCg='
} as const

export interface SignedParts {
  readonly secret: string
  readonly id: string
  readonly seconds: number
  readonly body: string | Uint8Array
}

export function webhookSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`
}

export function webhookSignature({ secret, id, seconds, body }: SignedParts): string {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  const digest = createHmac('sha256', key).update(`${id}.${seconds}.`).update(body).digest('base64')
  return `v1,${digest}`
}

export function webhookHeaders(parts: SignedParts): Record<string, string> {
  return {
    'content-type': 'application/json',
    'webhook-id': parts.id,
    'webhook-timestamp': String(parts.seconds),
    'webhook-signature': webhookSignature(parts)
  }
}
