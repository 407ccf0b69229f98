import { MeshError } from '../../protocol/core/errors.ts'
import {
  FORGE_CAUSE_CHARACTERS_MAX,
  FORGE_LIMITED_MS_DEFAULT,
  FORGE_LIMITED_MS_MAX
} from '../../protocol/core/forge-limits.ts'

/** Of what an error is about. */
export interface Asked {
  readonly host: string
  readonly action: string
}

export function unreachable(asked: Asked, cause: string, error?: unknown): MeshError {
  return new MeshError('FORGE_UNREACHABLE', { ...asked, cause: shown(cause) }, { cause: error })
}

/** What is behind the limit of an answer's length was not read. */
export class OverlongAnswer extends Error {}

/** True for FORGE_UNREACHABLE of an answer that was too long: asked again it would be so again. */
export function isOverlong(error: unknown): boolean {
  return error instanceof MeshError && error.cause instanceof OverlongAnswer
}

export function refusalOf(asked: Asked, status: number, text: string): MeshError {
  return new MeshError('FORGE_REFUSED', { ...asked, status, cause: messageOf(text) })
}

/** The HTTP status that a forge refused with; undefined for every other error. */
export function refusedStatusOf(error: unknown): number | undefined {
  if (!(error instanceof MeshError) || error.code !== 'FORGE_REFUSED') return undefined
  return Number(error.facts['status'])
}

/** Milliseconds that a limited forge wants to be left alone; undefined for every other error. */
export function limitedMsOf(error: unknown): number | undefined {
  if (!(error instanceof MeshError) || error.code !== 'FORGE_LIMITED') return undefined
  return Number(error.facts['afterS']) * 1000
}

/**
 * FORGE_LIMITED where the answer says that too much was asked. GitHub says it with 403, too: with
 * Retry-After, or with nothing left until X-RateLimit-Reset.
 */
export function limitOf(
  asked: Asked,
  status: number,
  headers: Headers,
  wallMs: number
): MeshError | undefined {
  const isSpent =
    headers.get('x-ratelimit-remaining') === '0' || headers.get('ratelimit-remaining') === '0'
  const after = headers.get('retry-after')
  const isLimited = status === 429 || (status === 403 && (isSpent || after !== null))
  // 503 with a time is a server that knows how long it is away.
  if (!isLimited && !(status === 503 && after !== null)) return undefined
  const reset = headers.get('x-ratelimit-reset') ?? headers.get('ratelimit-reset')
  const waitMs = retryAfterMs(after, wallMs) ?? (isSpent ? resetMs(reset, wallMs) : undefined)
  const boundMs = Math.min(
    FORGE_LIMITED_MS_MAX,
    Math.max(1_000, waitMs ?? FORGE_LIMITED_MS_DEFAULT)
  )
  return new MeshError('FORGE_LIMITED', { ...asked, afterS: Math.ceil(boundMs / 1000) })
}

/** Seconds, or a date. */
function retryAfterMs(text: string | null, wallMs: number): number | undefined {
  if (text === null) return undefined
  if (/^\d+$/.test(text.trim())) return Number(text) * 1000
  const atMs = Date.parse(text)
  return Number.isNaN(atMs) ? undefined : atMs - wallMs
}

/** Seconds since 1970. */
function resetMs(text: string | null, wallMs: number): number | undefined {
  return text !== null && /^\d+$/.test(text.trim()) ? Number(text) * 1000 - wallMs : undefined
}

/** `message` of Gitea, Forgejo, GitHub and GitLab, `error` of GitLab; never more than one line. */
function messageOf(text: string): string {
  try {
    const body = JSON.parse(text) as Record<string, unknown>
    const said = body['message'] ?? body['error']
    if (said !== undefined) return shown(typeof said === 'string' ? said : JSON.stringify(said))
  } catch {
    // A page of a proxy, say.
  }
  return 'it does not say why'
}

function shown(text: string): string {
  const line = text.replaceAll(/[\p{Cc}\p{Cs}\p{Bidi_Control}]+/gu, ' ').trim()
  return line.length <= FORGE_CAUSE_CHARACTERS_MAX
    ? line
    : `${line.slice(0, FORGE_CAUSE_CHARACTERS_MAX)}...`
}
