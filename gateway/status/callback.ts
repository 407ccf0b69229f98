import { z } from 'zod'
import { causeOf, MeshError } from '../../protocol/core/errors.ts'
import { FORGE_REQUEST_MS_MAX } from '../../protocol/core/forge-limits.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import { limitOf, refusalOf, unreachable } from '../forge/forge-refusal.ts'
import type { RepositoryCallback } from '../repositories.ts'
import type { Told } from './told.ts'

/** The body of a callback; the envelope of Standard Webhooks (type, timestamp, data). */
export const callbackSchema = z.strictObject({
  type: z.enum(['run.updated', 'job.updated']),
  /** When this gateway sends it, ISO 8601. */
  timestamp: z.iso.datetime(),
  data: z.strictObject({
    repository: z.string(),
    run: z.strictObject({
      id: z.string(),
      event: z.string(),
      ref: z.string(),
      commit: z.string()
    }),
    /** Null in `run.updated`. */
    job: z.strictObject({ id: z.string(), name: z.string() }).nullable(),
    state: z.enum(['queued', 'running', 'succeeded', 'failed', 'errored', 'cancelled', 'skipped']),
    /** True where nothing follows. */
    final: z.boolean(),
    description: z.string(),
    /** Its page; null where nobody has said where the gateway is reached. */
    url: z.string().nullable(),
    /** Grows within a run and within a job: one that is lower than the last one came late. */
    version: z.number().int()
  })
})

export type CallbackBody = z.infer<typeof callbackSchema>

export function callbackBody(told: Told, wallMs: number): CallbackBody {
  const { repository, runId, jobIndex, event, ref, commit, name } = told
  return {
    type: jobIndex === undefined ? 'run.updated' : 'job.updated',
    timestamp: new Date(wallMs).toISOString(),
    data: {
      repository,
      run: { id: runId, event, ref, commit },
      job: jobIndex === undefined ? null : { id: `${runId}.${jobIndex}`, name },
      state: told.state,
      final: told.isFinal,
      description: told.description,
      url: told.targetUrl ?? null,
      version: told.version
    }
  }
}

/** The same for every try, so that the other end can tell them from news. */
export function callbackId({ runId, jobIndex, issuedAtMs, version }: Told): string {
  return `${runId}-${jobIndex ?? 'run'}-${issuedAtMs}-${version}`
}

/**
 * Posts one, signed with the repository's secret. Resolves once it is taken (2xx); rejects with
 * FORGE_REFUSED, FORGE_UNREACHABLE, FORGE_LIMITED. Redirects are refused: the body is for the URL
 * in gateway.yaml.
 */
export async function postCallback(
  { url, secret }: RepositoryCallback,
  told: Told,
  clock: Clock,
  signal: AbortSignal
): Promise<void> {
  const asked = { host: new URL(url).host, action: `take a callback of ${told.repository}` }
  const wallMs = clock.wallMs()
  const body = JSON.stringify(callbackBody(told, wallMs))
  const id = callbackId(told)
  const seconds = Math.floor(wallMs / 1000)
  const limit = new AbortController()
  const late = new Error(`it took longer than ${FORGE_REQUEST_MS_MAX} ms`)
  const disarm = clock.arm(FORGE_REQUEST_MS_MAX, () => limit.abort(late))
  try {
    const response = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      signal: AbortSignal.any([signal, limit.signal]),
      headers: {
        'content-type': 'application/json',
        'user-agent': 'runner-mesh',
        'webhook-id': id,
        'webhook-timestamp': String(seconds),
        'webhook-signature': secret.sign(id, seconds, body)
      },
      body
    })
    // Nothing of it is needed, and it may have no end.
    await response.body?.cancel()
    const { status, headers } = response
    const limited = limitOf(asked, status, headers, wallMs)
    if (limited !== undefined) throw limited
    if (status >= 500 || status === 408) throw unreachable(asked, `it answered ${status}`)
    if (status >= 300) throw refusalOf(asked, status, '')
  } catch (error) {
    if (error instanceof MeshError) throw error
    const cause = limit.signal.aborted ? late.message : causeOf(error)
    throw unreachable(asked, cause, error)
  } finally {
    disarm()
  }
}
