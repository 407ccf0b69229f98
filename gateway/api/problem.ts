import { problemSchema } from '../../protocol/api/problem.ts'
import type { MeshError } from '../../protocol/core/errors.ts'
import { RETRY_AFTER_S } from '../../protocol/core/limits.ts'
import { hookPath } from '../hooks/forge-hook.ts'

/** Seconds over which requests and refusals are counted. */
const MINUTE_S = 60

/** How a route's schema names it. */
export const problemResponse = {
  description: 'what is wrong, and the way out',
  content: { 'application/problem+json': { schema: problemSchema } }
}

/** Headers that belong to an error's status on a route. */
export function headersOf(error: MeshError, route: string | undefined): Record<string, string> {
  const { status } = error.kind
  if (status === 503) return { 'retry-after': String(RETRY_AFTER_S) }
  if (status === 429) return { 'retry-after': String(MINUTE_S) }
  if (status === 401 && route?.startsWith('/hooks/')) {
    return { 'www-authenticate': `${hookScheme(route)} realm="runner-mesh"` }
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

function hookScheme(route: string): string {
  if (route === hookPath('git')) return 'StandardWebhooks'
  return route === hookPath('gitlab') ? 'GitLab-Webhook' : 'HMAC-SHA256'
}
