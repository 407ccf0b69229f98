import { createHmac, randomUUID } from 'node:crypto'
import type { ForgeName } from '../../gateway/hooks/forge-hook.ts'

/*
 * Deliveries as Gitea, Forgejo and GitHub send them, from design/git-servers.md D1 and node:crypto
 * alone: shares no code with the gateway.
 */

/** The test vector of GitHub's documentation. */
export const HMAC_VECTOR = {
  secret: "It's a Secret to Everybody",
  body: 'Hello, World!',
  sha256: '757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
  sha1: '01dc10d0c83e72ed246219cdd91669667fe2ca59'
} as const

export type HmacForge = Exclude<ForgeName, 'git' | 'gitlab'>

export interface ForgePost {
  readonly method: 'POST'
  readonly url: string
  readonly headers: Record<string, string>
  readonly payload: string
}

export interface ForgePostParts {
  readonly event?: string
  readonly id?: string
  readonly secret?: string
}

export function hexHmac(secret: string, body: string, algorithm = 'sha256'): string {
  return createHmac(algorithm, secret).update(body).digest('hex')
}

/** One delivery with all the headers that its forge sends; without a secret they are empty. */
export function forgePost(
  forge: HmacForge,
  payload: string,
  { event = 'push', id = randomUUID(), secret = HMAC_VECTOR.secret }: ForgePostParts = {}
): ForgePost {
  const sha256 = secret === '' ? '' : hexHmac(secret, payload)
  const sha1 = secret === '' ? '' : hexHmac(secret, payload, 'sha1')
  const families = { github: ['GitHub'], gitea: ['Gitea', 'Gogs', 'GitHub'] }
  const names = forge === 'forgejo' ? ['Forgejo', ...families.gitea] : families[forge]
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'x-hub-signature': `sha1=${sha1}`,
    'x-hub-signature-256': `sha256=${sha256}`
  }
  for (const name of names) {
    const family = name.toLowerCase()
    headers[`x-${family}-event`] = event
    headers[`x-${family}-event-type`] = event
    headers[`x-${family}-delivery`] = id
    if (name !== 'GitHub') headers[`x-${family}-signature`] = sha256
  }
  return { method: 'POST', url: `/hooks/${forge}`, headers, payload }
}
