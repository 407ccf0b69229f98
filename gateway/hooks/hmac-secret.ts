import { createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { MeshError } from '../../protocol/core/errors.ts'
import { type HookSecret, headerOf, type Incoming, type ReadSecret } from './forge-hook.ts'

/** How a forge sends the hexadecimal HMAC-SHA-256 of a delivery's raw body. */
export interface HmacSigning {
  /** As the forge's documents spell it. */
  readonly signature: string
  readonly prefix: '' | 'sha256='
  readonly delivery: string
}

/**
 * Characters of a secret: fewer can be tried out by whoever sees one delivery, since nothing but
 * the secret is unknown in it.
 */
const SECRET_CHARACTERS_MIN = 16
const SECRET_CHARACTERS_MAX = 255

const DIGEST = /^[0-9a-f]{64}$/
export const DELIVERY_ID = /^[\w-]{1,128}$/

/** From the text of a secret file: its one line is the secret, as it stands in the hook's page. */
export function hmacSecretOf(text: string, signing: HmacSigning): ReadSecret {
  const line = text.replace(/\r?\n$/, '')
  const problem = secretLineProblem(line)
  if (problem !== undefined) return { kind: 'unusable', problem }
  return { kind: 'usable', secret: new HmacSecret(line, signing) }
}

/**
 * The digest that a delivery carries. Asked before anything else is said: without a secret Gitea
 * and Forgejo send an empty signature. Throws SIGNATURE_MISMATCH.
 */
export function digestOf(
  headers: IncomingHttpHeaders,
  { signature, prefix }: HmacSigning,
  repository: string
): Buffer {
  const refuse = (what: string): MeshError => {
    return new MeshError('SIGNATURE_MISMATCH', { problem: `${what} in ${signature}`, repository })
  }
  const value = headerOf(headers, signature)
  if (value === undefined) throw refuse('missing')
  if (value === '' || value === prefix) throw refuse('empty')
  const digest = value.slice(prefix.length)
  if (!value.startsWith(prefix) || !DIGEST.test(digest)) throw refuse('not well formed')
  return Buffer.from(digest, 'hex')
}

class HmacSecret implements HookSecret {
  readonly #key: Buffer
  readonly #signing: HmacSigning

  constructor(text: string, signing: HmacSigning) {
    this.#key = Buffer.from(text, 'utf8')
    this.#signing = signing
  }

  verify({ headers, bytes }: Incoming, repository: string): string {
    const { signature, delivery } = this.#signing
    const given = digestOf(headers, this.#signing, repository)
    const wanted = createHmac('sha256', this.#key).update(bytes).digest()
    // In constant time: how much of a guess was right must not be heard.
    if (!timingSafeEqual(given, wanted)) {
      throw new MeshError('SIGNATURE_MISMATCH', { problem: `wrong in ${signature}`, repository })
    }
    const id = headerOf(headers, delivery)
    if (id === undefined || !DELIVERY_ID.test(id)) {
      throw new MeshError('REQUEST_INVALID', { problem: `header ${delivery} holds no id` })
    }
    return id
  }
}

/** What is wrong with a secret that is pasted into a hook's page. */
export function secretLineProblem(line: string): string | undefined {
  if (/\p{Cc}/u.test(line)) return 'it must be one line without control characters'
  if (line !== line.trim()) return 'it starts or ends with a space, which hook pages may cut off'
  if (line.length < SECRET_CHARACTERS_MIN || line.length > SECRET_CHARACTERS_MAX) {
    const limits = `${SECRET_CHARACTERS_MIN} to ${SECRET_CHARACTERS_MAX}`
    return `it has ${line.length} characters, ${limits} are needed`
  }
  return undefined
}
