import type { FastifyRequest } from 'fastify'
import { MeshError } from '../../protocol/core/errors.ts'
import { AUTH_FAILURES_PER_MINUTE_MAX } from '../../protocol/core/limits.ts'
import { PRINTABLE } from '../hooks/git-push.ts'
import type { Scope, TokenRecord, TokenStore } from './token-store.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who gives the order, one line; '' on routes without a token. */
    caller: string
    /** Whether pipelines that come with orders may run as the repository's own. */
    isTrusted: boolean
  }
}

/** Longest bearer token looked at: ours have 47 characters. */
const TOKEN_CHARACTERS_MAX = 256

/** What createRateLimit() of @fastify/rate-limit gives. */
export type Limiter = (
  request: FastifyRequest
) => Promise<{ isAllowed: true } | { isAllowed: false; isExceeded: boolean }>

/**
 * Does what may find a token or a signature wrong: rejects as `work` does, but with RATE_LIMITED in
 * place of what is 401 once the address of the request has failed too often. Who has the right one
 * is never held up: behind a proxy all share one address, and a stranger could silence a forge
 * otherwise.
 */
export async function countingFailures<T>(
  limiter: Limiter,
  request: FastifyRequest,
  work: () => Promise<T>
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof MeshError) || error.kind.status !== 401) throw error
    throw (await countFailure(limiter, request)) ?? error
  }
}

/** RATE_LIMITED where the address of the request has failed too often; to be thrown. */
export async function countFailure(
  limiter: Limiter,
  request: FastifyRequest
): Promise<MeshError | undefined> {
  const seen = await limiter(request)
  if (seen.isAllowed || !seen.isExceeded) return undefined
  return new MeshError('RATE_LIMITED', { max: AUTH_FAILURES_PER_MINUTE_MAX, window: 'a minute' })
}

/** The record of a request's token, which has that scope. Throws TOKEN_INVALID, SCOPE_MISSING. */
export async function authorize(
  tokens: Pick<TokenStore, 'find'>,
  authorization: string | undefined,
  scope: Scope
): Promise<TokenRecord> {
  if (authorization === undefined) throw new MeshError('TOKEN_INVALID', { problem: 'missing' })
  const token = /^Bearer +([\w-]+)$/i.exec(authorization)?.[1]
  if (token === undefined || token.length > TOKEN_CHARACTERS_MAX) {
    throw new MeshError('TOKEN_INVALID', { problem: 'not well formed' })
  }
  const record = await tokens.find(token)
  if (record === undefined) throw new MeshError('TOKEN_INVALID', { problem: 'unknown' })
  if (!record.scopes.includes(scope)) throw new MeshError('SCOPE_MISSING', { scope })
  return record
}

/** How a token's owner is named to others: a name alone need not be unique, nor of one line. */
export function callerOf({ id, name }: Pick<TokenRecord, 'id' | 'name'>): string {
  return name === '' || !PRINTABLE.test(name) ? `token ${id}` : `${name} (token ${id})`
}
