import type { z } from 'zod'
import { causeOf, codeOf, MeshError } from '../../protocol/core/errors.ts'
import {
  FORGE_BODY_BYTES_MAX,
  FORGE_PAGES_MAX,
  FORGE_REDIRECTS_MAX,
  FORGE_REQUEST_MS_MAX
} from '../../protocol/core/forge-limits.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { ForgeResult } from '../metrics/event-metrics.ts'
import { type Asked, limitOf, OverlongAnswer, refusalOf, unreachable } from './forge-refusal.ts'
import type { TaggedAnswers } from './tagged-answers.ts'

export interface ForgeCall {
  /** GET where absent. */
  readonly method?: 'POST' | 'DELETE' | undefined
  /** Below the API's base, with its slash: `/repos/team/kernel`; parts are encoded already. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>> | undefined
  readonly body?: unknown
  /** What it is for, in words that fit behind `refused to`. */
  readonly action: string
  readonly signal: AbortSignal
}

export interface ForgeAnswer {
  readonly status: number
  /** Parsed JSON; undefined where there is none. */
  readonly body: unknown
  readonly headers: Headers
}

export type Authorization = Readonly<Record<string, string>>

export interface ForgeHttpParts {
  /** Headers that say who asks; asked for each request, since tokens end. */
  readonly authorize: (signal: AbortSignal) => Promise<Authorization>
  readonly clock: Clock
  readonly tagged: TaggedAnswers
  /** Told of each call and what came of it. */
  readonly onResult?: ((result: ForgeResult) => void) | undefined
}

export interface ForgeHttpOptions {
  /** Base of the API, without a slash at its end. */
  readonly base: string
  /** FORGE_REQUEST_MS_MAX where absent. */
  readonly requestMs?: number | undefined
  /** What forges ask of their clients beside. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

const RESULTS: Readonly<Record<string, ForgeResult>> = {
  FORGE_REFUSED: 'refused',
  FORGE_LIMITED: 'limited'
}

/** Not to be sent again where the first request may have done what it asked for. */
const REDIRECTS = new Set([301, 302, 307, 308])

/**
 * Requests to one forge's API: bounded in time and size, never followed to another host with what
 * authorizes them. Every call rejects with FORGE_REFUSED, FORGE_UNREACHABLE or FORGE_LIMITED.
 */
export class ForgeHttp {
  readonly #parts: ForgeHttpParts
  readonly #options: ForgeHttpOptions
  readonly #base: URL

  constructor(parts: ForgeHttpParts, options: ForgeHttpOptions) {
    this.#parts = parts
    this.#options = options
    this.#base = new URL(options.base)
  }

  get host(): string {
    return this.#base.host
  }

  /** The answer to a call that succeeded. */
  async call(call: ForgeCall): Promise<ForgeAnswer> {
    const url = new URL(`${this.#options.base}${call.path}`)
    for (const [name, value] of Object.entries(call.query ?? {})) url.searchParams.set(name, value)
    const { onResult } = this.#parts
    try {
      const answer = await this.#within(call, (signal) => this.#follow(call, url, signal))
      onResult?.('answered')
      return answer
    } catch (error) {
      // A caller that has given up says nothing about the forge.
      if (!call.signal.aborted) onResult?.(RESULTS[codeOf(error) ?? ''] ?? 'unreachable')
      throw error
    }
  }

  /** What a GET answers, checked. A tag of an answer before makes it a conditional request. */
  async read<T>(schema: z.ZodType<T>, call: ForgeCall): Promise<T> {
    const { body } = await this.call(call)
    return this.checked(schema, body, call)
  }

  /** All pages of a list; `size` names the parameter that says how long a page may be. */
  async *pages<T>(schema: z.ZodType<T>, size: string, call: ForgeCall): AsyncGenerator<T> {
    let seen = 0
    for (let page = 1; page <= FORGE_PAGES_MAX; page += 1) {
      const query = { ...call.query, [size]: '100', page: String(page) }
      const { body, headers } = await this.call({ ...call, query })
      const rows = Array.isArray(body) ? (body as unknown[]) : undefined
      if (rows === undefined) throw unreachable(this.#asked(call), 'its answer is no list')
      for (const row of rows) yield this.checked(schema, row, call)
      seen += rows.length
      // Gitea's lists have the one or the other; its pages may be shorter than what was asked for.
      const total = Number(headers.get('x-total-count') ?? 0)
      const isMore = /rel="?next"?/.test(headers.get('link') ?? '') || seen < total
      if (rows.length === 0 || !isMore) return
    }
    const cause = `its list has more than ${FORGE_PAGES_MAX} pages`
    throw unreachable(this.#asked(call), cause)
  }

  /** What is not as documented may come of a proxy in between, and is tried again. */
  checked<T>(schema: z.ZodType<T>, body: unknown, call: ForgeCall): T {
    const parsed = schema.safeParse(body)
    if (parsed.success) return parsed.data
    const [issue] = parsed.error.issues
    const where = issue?.path.map(String).join('.') || 'the whole'
    throw unreachable(this.#asked(call), `its answer is not as documented (${where})`)
  }

  async #within<T>(call: ForgeCall, task: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const limit = new AbortController()
    const requestMs = this.#options.requestMs ?? FORGE_REQUEST_MS_MAX
    const late = new Error(`it took longer than ${requestMs} ms`)
    const disarm = this.#parts.clock.arm(requestMs, () => limit.abort(late))
    const onAbort = (): void => limit.abort(call.signal.reason)
    call.signal.addEventListener('abort', onAbort, { once: true })
    if (call.signal.aborted) onAbort()
    try {
      return await task(limit.signal)
    } catch (error) {
      if (error instanceof MeshError) throw error
      const cause = limit.signal.aborted ? causeOf(limit.signal.reason) : networkCause(error)
      throw unreachable(this.#asked(call), cause, error)
    } finally {
      disarm()
      call.signal.removeEventListener('abort', onAbort)
    }
  }

  async #follow(call: ForgeCall, first: URL, signal: AbortSignal): Promise<ForgeAnswer> {
    let url = first
    for (let hops = 0; hops <= FORGE_REDIRECTS_MAX; hops += 1) {
      const { response, kept, authorization } = await this.#send(call, url, signal)
      if (response.status === 304 && kept !== undefined) {
        await response.body?.cancel()
        return {
          status: 200,
          body: JSON.parse(kept.text),
          headers: new Headers(Object.fromEntries(kept.headers))
        }
      }
      const to = REDIRECTS.has(response.status) ? response.headers.get('location') : null
      if (to === null) return await this.#answer(call, url, response, authorization)
      await response.body?.cancel()
      const next = new URL(to, url)
      // Another host would be shown the token; a POST may be meant for the old place alone.
      if (
        next.origin !== this.#base.origin ||
        (call.method !== undefined && response.status < 307)
      ) {
        throw this.#refused(call, response.status, `it sends on to ${next.host}`)
      }
      url = next
    }
    throw this.#refused(call, 310, `more than ${FORGE_REDIRECTS_MAX} redirects`)
  }

  async #send(call: ForgeCall, url: URL, signal: AbortSignal) {
    const authorization = await this.#parts.authorize(signal)
    const { method = 'GET', body } = call
    const kept = method === 'GET' ? this.#parts.tagged.get(url.href, authorization) : undefined
    const response = await fetch(url, {
      method,
      redirect: 'manual',
      signal,
      headers: {
        accept: 'application/json',
        'user-agent': 'runner-mesh',
        ...this.#options.headers,
        ...authorization,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(kept === undefined ? {} : { 'if-none-match': kept.tag })
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    return { response, kept, authorization }
  }

  async #answer(
    call: ForgeCall,
    url: URL,
    response: Response,
    authorization: Authorization
  ): Promise<ForgeAnswer> {
    const { status, headers } = response
    const text = await boundedText(response)
    const asked = this.#asked(call)
    const wallMs = this.#parts.clock.wallMs()
    const limited = limitOf(asked, status, headers, wallMs)
    if (limited !== undefined) throw limited
    if (status >= 500 || status === 408) throw unreachable(asked, `it answered ${status}`)
    if (status >= 300) throw refusalOf(asked, status, withoutSecrets(text, authorization))
    const body = parsed(text)
    if (body === undefined && text.trim() !== '') throw unreachable(asked, 'its answer is no JSON')
    const tag = headers.get('etag')
    if (call.method === undefined && tag !== null) {
      this.#parts.tagged.keep(url.href, authorization, { tag, text, headers: [...headers] })
    }
    return { status, body, headers }
  }

  #asked({ action }: ForgeCall): Asked {
    return { host: this.host, action }
  }

  #refused(call: ForgeCall, status: number, cause: string): MeshError {
    return new MeshError('FORGE_REFUSED', { ...this.#asked(call), status, cause })
  }
}

/** Rejects where it is longer than FORGE_BODY_BYTES_MAX: what is behind that is never read. */
async function boundedText(response: Response): Promise<string> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of response.body ?? []) {
    bytes += part.length
    if (bytes > FORGE_BODY_BYTES_MAX) {
      throw new OverlongAnswer(`its answer is over ${FORGE_BODY_BYTES_MAX} bytes`)
    }
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

/** A server that shows the request in its refusal must not bring a token into our log. */
function withoutSecrets(text: string, authorization: Authorization): string {
  const words = Object.values(authorization).map((value) => value.split(' ').at(-1) ?? '')
  return words.reduce(
    (masked, word) => (word === '' ? masked : masked.replaceAll(word, '***')),
    text
  )
}

function parsed(text: string): unknown {
  try {
    return text.trim() === '' ? undefined : (JSON.parse(text) as unknown)
  } catch {
    return undefined
  }
}

/** `fetch failed` says nothing; what it wraps does. */
function networkCause(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  if (!(cause instanceof Error)) return causeOf(error)
  const code = 'code' in cause ? String(cause.code) : ''
  return code === '' ? cause.message : code
}
