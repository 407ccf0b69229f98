import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { MeshError } from '../../protocol/core/errors.ts'
import { type HookSecret, headerOf, type Incoming, type ReadSecret } from './forge-hook.ts'
import { DELIVERY_ID, secretLineProblem } from './hmac-secret.ts'
import { secretProblem, signedHeadersOf, WebhookSecret } from './standard-webhook.ts'

export const TOKEN_HEADER = 'X-Gitlab-Token'

/** What a delivery is known by, the likeliest first: the first stays when it is sent again. */
const DELIVERY_HEADERS = ['Idempotency-Key', 'X-Gitlab-Event-UUID'] as const

/** What a header can hold without being changed on its way. */
const HEADER_TEXT = /^[\x20-\x7e]+$/

/**
 * From the text of a secret file: `whsec_...` is GitLab's signing secret, anything else the secret
 * token, which GitLab sends with each delivery as it stands.
 */
export function gitlabSecretOf(text: string): ReadSecret {
  const line = text.replace(/\r?\n$/, '')
  const isSigning = line.startsWith('whsec_')
  const problem = isSigning ? secretProblem(line) : tokenProblem(line)
  if (problem !== undefined) return { kind: 'unusable', problem }
  return { kind: 'usable', secret: isSigning ? new Signing(line) : new Token(line) }
}

/** Throws SIGNATURE_MISMATCH where a delivery has nothing that could vouch for it. */
export function checkVouched(headers: IncomingHttpHeaders, repository: string): void {
  const words = [TOKEN_HEADER, 'webhook-signature'].map((name) => headerOf(headers, name) ?? '')
  if (words.some((word) => word !== '')) return
  const problem = `missing in ${TOKEN_HEADER} and webhook-signature`
  throw new MeshError('SIGNATURE_MISMATCH', { problem, repository })
}

class Signing implements HookSecret {
  readonly #secret: WebhookSecret

  constructor(text: string) {
    this.#secret = new WebhookSecret(text)
  }

  verify({ headers, text, receivedAtMs }: Incoming, repository: string): string {
    return this.#secret.verify(signedHeadersOf(headers), text, receivedAtMs, repository)
  }
}

class Token implements HookSecret {
  readonly #digest: Buffer

  constructor(text: string) {
    this.#digest = digestOf(text)
  }

  verify({ headers }: Incoming, repository: string): string {
    const given = headerOf(headers, TOKEN_HEADER)
    const refuse = (what: string): MeshError =>
      new MeshError('SIGNATURE_MISMATCH', { problem: `${what} in ${TOKEN_HEADER}`, repository })
    if (given === undefined || given === '') throw refuse('missing')
    // Of digests, which are all as long: how much of a guess was right must not be heard.
    if (!timingSafeEqual(digestOf(given), this.#digest)) throw refuse('wrong')
    const id = DELIVERY_HEADERS.map((name) => headerOf(headers, name)).find(
      (value) => value !== undefined && DELIVERY_ID.test(value)
    )
    if (id !== undefined) return id
    const problem = `neither ${DELIVERY_HEADERS.join(' nor ')} holds an id`
    throw new MeshError('REQUEST_INVALID', { problem })
  }
}

function tokenProblem(line: string): string | undefined {
  return HEADER_TEXT.test(line)
    ? secretLineProblem(line)
    : 'it must be one line of printable ASCII, which a header can hold'
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
