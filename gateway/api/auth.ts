import type { FastifyRequest } from 'fastify'
import { MeshError } from '../../protocol/core/errors.ts'
import { AUTH_FAILURES_PER_MINUTE_MAX } from '../../protocol/core/limits.ts'
import type { Scope, TokenStore } from './token-store.ts'

/** Longest bearer token looked at: ours have 47 characters. */
const TOKEN_CHARACTERS_MAX = 256

/** What @fastify/rate-limit's createRateLimit() gives. */
export type Limiter = (
  request: FastifyRequest,
  options?: { increment?: boolean }
) => Promise<{ isAllowed: true } | { isAllowed: false; isExceeded: boolean; remaining: number }>

/** Counts what was refused, so that guessing tokens or signatures is slow from one address. */
export class FailureLimit {
  readonly #limiter: Limiter

  constructor(limiter: Limiter) {
    this.#limiter = limiter
  }

  /** Throws RATE_LIMITED once an address has failed too often. */
  async check(request: FastifyRequest): Promise<void> {
    const seen = await this.#limiter(request, { increment: false })
    if (seen.isAllowed || seen.remaining > 0) return
    const facts = { max: `${AUTH_FAILURES_PER_MINUTE_MAX} failed`, window: 'a minute' }
    throw new MeshError('RATE_LIMITED', facts)
  }

  async count(request: FastifyRequest): Promise<void> {
    await this.#limiter(request)
  }
}

/** Lets a request with a token of that scope pass. Throws TOKEN_INVALID, SCOPE_MISSING. */
export async function authorize(
  tokens: TokenStore,
  request: FastifyRequest,
  scope: Scope
): Promise<void> {
  const { authorization } = request.headers
  if (authorization === undefined) throw new MeshError('TOKEN_INVALID', { problem: 'missing' })
  const token = /^Bearer +([\w-]+)$/i.exec(authorization)?.[1]
  if (token === undefined || token.length > TOKEN_CHARACTERS_MAX) {
    throw new MeshError('TOKEN_INVALID', { problem: 'not well formed' })
  }
  const record = await tokens.find(token)
  if (record === undefined) throw new MeshError('TOKEN_INVALID', { problem: 'unknown' })
  if (!record.scopes.includes(scope)) throw new MeshError('SCOPE_MISSING', { scope })
}
