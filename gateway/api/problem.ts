import { STATUS_CODES } from 'node:http'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { type ErrorCode, type Facts, MeshError } from '../../protocol/core/errors.ts'
import {
  DELIVERY_BYTES_MAX,
  HTTP_HEADER_BYTES_MAX,
  HTTP_REQUEST_MS_MAX,
  RETRY_AFTER_S
} from '../../protocol/core/limits.ts'

/** Seconds over which requests and refusals are counted. */
const MINUTE_S = 60

export const PROBLEM_TYPE = 'application/problem+json'

/** RFC 9457, with our code and its facts. */
export const problemSchema = z
  .strictObject({
    type: z.string().describe('urn:runner-mesh:error: and the code; see docs/errors.md'),
    title: z.string(),
    status: z.number().int(),
    detail: z.string().describe('what happened, and the way out'),
    code: z.string(),
    facts: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
  })
  .meta({ id: 'Problem' })

/** How a route's schema names it. */
export const problemResponse = {
  description: 'what is wrong, and the way out',
  content: { 'application/problem+json': { schema: problemSchema } }
}

export type Problem = z.infer<typeof problemSchema>

/**
 * Errors of 5xx that a stranger may read. All others name files of this host: their words go to
 * the log, the code alone to the client.
 */
const PUBLIC: ReadonlySet<ErrorCode> = new Set([
  'OVERLOADED',
  'STOPPING',
  'QUORUM_UNREACHABLE',
  'REQUEST_TIMED_OUT'
])

export function problemOf(error: MeshError): Problem {
  const { status } = error.kind
  const told = status < 500 || PUBLIC.has(error.code)
  return {
    type: `urn:runner-mesh:error:${error.code}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail: told ? error.message : 'the gateway could not do it; its log says why',
    code: error.code,
    facts: told ? factsOf(error.facts) : {}
  }
}

/** Headers that belong to an error's status. */
export function headersOf(error: MeshError, realm: 'api' | 'hook'): Record<string, string> {
  const { status } = error.kind
  if (status === 503) return { 'retry-after': String(RETRY_AFTER_S) }
  if (status === 429) return { 'retry-after': String(MINUTE_S) }
  if (status === 401 && realm === 'hook') {
    return { 'www-authenticate': 'StandardWebhooks realm="runner-mesh"' }
  }
  if (status === 401) {
    // RFC 6750: a request that brought no token gets no error code.
    const reason = error.facts['problem'] === 'missing' ? '' : ', error="invalid_token"'
    return { 'www-authenticate': `Bearer realm="runner-mesh"${reason}` }
  }
  if (error.code === 'SCOPE_MISSING') {
    const scope = `error="insufficient_scope", scope="${error.facts['scope']}"`
    return { 'www-authenticate': `Bearer realm="runner-mesh", ${scope}` }
  }
  return {}
}

/** Whatever was thrown while a request was served, as one of our errors. */
export function asHttpError(error: unknown, request: RequestFacts): MeshError {
  if (error instanceof MeshError) return error
  if (hasZodFastifySchemaValidationErrors(error)) {
    const [issue] = error.validation
    const path = issue?.instancePath.replace(/^\//, '').replaceAll('/', '.') ?? ''
    const problem = `${error.validationContext ?? 'request'} ${path}: ${issue?.message}`
    return new MeshError('REQUEST_INVALID', { problem }, { cause: error })
  }
  return fromFastify(error, request) ?? new MeshError('BUG', {}, { cause: error })
}

export interface RequestFacts {
  readonly contentType: string
}

function fromFastify(error: unknown, request: RequestFacts): MeshError | undefined {
  if (!(error instanceof Error)) return undefined
  const code = 'code' in error ? error.code : undefined
  const options = { cause: error }
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new MeshError('BODY_TOO_LARGE', { max: DELIVERY_BYTES_MAX }, options)
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new MeshError('MEDIA_TYPE_UNSUPPORTED', { found: request.contentType }, options)
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new MeshError('REQUEST_SLOW', { maxMs: HTTP_REQUEST_MS_MAX }, options)
    case 'HPE_HEADER_OVERFLOW':
      return new MeshError('HEADERS_TOO_LARGE', { max: HTTP_HEADER_BYTES_MAX }, options)
    default:
      return isClientsFault(error, code)
        ? new MeshError('REQUEST_INVALID', { problem: 'the request is not well formed' }, options)
        : undefined
  }
}

function isClientsFault(error: Error, code: unknown): boolean {
  if (typeof code === 'string' && (code.startsWith('HPE_') || code === 'ECONNRESET')) return true
  const status = 'statusCode' in error ? Number(error.statusCode) : 500
  return status >= 400 && status < 500
}

function factsOf(facts: Facts): Record<string, string | number | boolean> {
  const known = Object.entries(facts).filter(([, value]) => value !== undefined)
  return Object.fromEntries(known) as Record<string, string | number | boolean>
}
