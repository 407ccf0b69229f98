import { createPrivateKey, sign } from 'node:crypto'
import { z } from 'zod'
import {
  APP_TOKEN_BACKDATED_S,
  APP_TOKEN_MARGIN_MS,
  APP_TOKEN_S,
  APP_TOKENS_MAX
} from '../../protocol/core/forge-limits.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import { Lru } from '../../protocol/mesh/bounds/lru.ts'
import type { ForgeHttp } from './forge-http.ts'

const installationSchema = z.looseObject({ id: z.number().int() })
const tokenSchema = z.looseObject({ token: z.string(), expires_at: z.string() })

/**
 * By what an App shows that it is itself: a JSON Web Token, signed RS256. Source: docs.github.com,
 * "Generating a JSON Web Token (JWT) for a GitHub App". Throws where `key` is no RSA key.
 */
export function appWord(app: string, key: string | Buffer, wallMs: number): string {
  const nowS = Math.floor(wallMs / 1000)
  const claims = { iat: nowS - APP_TOKEN_BACKDATED_S, exp: nowS + APP_TOKEN_S, iss: app }
  const text = `${encoded({ alg: 'RS256', typ: 'JWT' })}.${encoded(claims)}`
  const signature = sign('RSA-SHA256', Buffer.from(text), createPrivateKey(key))
  return `${text}.${signature.toString('base64url')}`
}

function encoded(part: unknown): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}

interface WantedToken {
  /** `team/kernel` */
  readonly path: string
  readonly use: TokenUse
  readonly signal: AbortSignal
}

interface InstallationToken {
  readonly token: string
  /** Wall clock. */
  readonly endsAtMs: number
}

/** What a token is asked for: all that the App may do, or to read what is in the repository. */
export type TokenUse = 'all' | 'source'

/** Tokens of an App's installations, one a repository and use, renewed shortly before they end. */
export class InstallationTokens {
  readonly #clock: Pick<Clock, 'wallMs'>
  readonly #tokens: Lru<string, Promise<InstallationToken>>

  constructor(clock: Pick<Clock, 'wallMs'>, tokensMax = APP_TOKENS_MAX) {
    this.#clock = clock
    this.#tokens = new Lru(tokensMax)
  }

  /** Tokens that are kept. */
  get size(): number {
    return this.#tokens.size
  }

  /**
   * `http` asks with the App's own word; `who` is the App, so that another one's tokens are not
   * taken. Rejects as ForgeHttp does.
   */
  async tokenFor(who: string, http: ForgeHttp, wanted: WantedToken): Promise<string> {
    const { path, use, signal } = wanted
    const key = `${who} ${http.host} ${path} ${use}`
    const known = await this.#tokens.get(key)?.catch(() => undefined)
    const nowMs = this.#clock.wallMs()
    if (known !== undefined && known.endsAtMs - APP_TOKEN_MARGIN_MS > nowMs) return known.token
    const asked = askFor(http, { path, use, signal })
    this.#tokens.set(key, asked)
    try {
      return (await asked).token
    } catch (error) {
      this.#tokens.delete(key)
      throw error
    }
  }
}

/** For this repository alone: a token that leaks opens no other one. */
async function askFor(
  http: ForgeHttp,
  { path, use, signal }: WantedToken
): Promise<InstallationToken> {
  const action = `name the App's installation on ${path}`
  const { id } = await http.read(installationSchema, {
    path: `/repos/${path}/installation`,
    action,
    signal
  })
  const call = {
    method: 'POST',
    path: `/app/installations/${id}/access_tokens`,
    body: {
      repositories: [path.split('/').at(-1) ?? path],
      // Agents get it: it must not be good for what the gateway does.
      ...(use === 'source' ? { permissions: { contents: 'read' } } : {})
    },
    action: `give a token for ${path}`,
    signal
  } as const
  const { body } = await http.call(call)
  const { token, expires_at: ends } = http.checked(tokenSchema, body, call)
  return { token, endsAtMs: Date.parse(ends) }
}
