import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { causeOf, MeshError } from '../core/errors.ts'

/** Of the request that failed, what its error has to name. */
export interface RequestFacts {
  readonly contentType: string | undefined
  /** Bytes that a body may have there. */
  readonly bodyBytesMax: number
}

/** Whatever was thrown while a request was served, as one of our errors. */
export function asHttpError(error: unknown, request: RequestFacts): MeshError {
  if (error instanceof MeshError) return error
  if (hasZodFastifySchemaValidationErrors(error)) {
    const [issue] = error.validation
    const path = issue?.instancePath.replace(/^\//, '').replaceAll('/', '.') ?? ''
    const where = `${error.validationContext ?? 'request'} ${path}`.trimEnd()
    return new MeshError(
      'REQUEST_INVALID',
      { problem: `${where}: ${issue?.message}` },
      { cause: error }
    )
  }
  return (
    fromFastify(error, request) ??
    new MeshError('BUG', { problem: causeOf(error) }, { cause: error })
  )
}

/** Without its query: that may hold a secret, and the path says enough. */
export function routeUnknown(request: { readonly method: string; readonly url: string }) {
  const { method, url } = request
  return new MeshError('ROUTE_UNKNOWN', { method, path: url.split('?')[0] ?? '' })
}

/** Undefined for what is our own fault. */
function fromFastify(error: unknown, request: RequestFacts): MeshError | undefined {
  if (!(error instanceof Error)) return undefined
  const code = 'code' in error ? error.code : undefined
  const options = { cause: error }
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new MeshError('BODY_TOO_LARGE', { max: request.bodyBytesMax }, options)
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new MeshError(
        'MEDIA_TYPE_UNSUPPORTED',
        { found: request.contentType ?? 'none' },
        options
      )
    default:
      return isClientsFault(error, code) ? malformed(options) : undefined
  }
}

function isClientsFault(error: Error, code: unknown): boolean {
  if (code === 'ECONNRESET') return true
  const status = 'statusCode' in error ? Number(error.statusCode) : 500
  return status >= 400 && status < 500
}

/** For what is no request at all, or one that broke off. */
export function malformed(options: ErrorOptions): MeshError {
  return new MeshError('REQUEST_INVALID', { problem: 'the request is not well formed' }, options)
}
