import { z } from 'zod'
import {
  RECONCILE_EVENT_PAGES_MAX,
  RECONCILE_RESENT_MAX
} from '../../protocol/core/forge-limits.ts'
import type { FailedDelivery } from './forge-api.ts'
import type { ForgeCall, ForgeHttp } from './forge-http.ts'
import { isOverlong, refusedStatusOf } from './forge-refusal.ts'
import { type DeliveryTry, isOurHook, lostOf } from './lost-deliveries.ts'

/*
 * What GitLab's hooks have sent: listed from 17.3 on, sent again from 17.4 on, for Maintainers.
 * Source: docs.gitlab.com/api/project_webhooks; the highest `per_page`, the order and `created_at`
 * are of lib/api/hooks/events.rb, lib/api/entities/web_hook_log.rb and web_hook_logs_finder.rb.
 */

/** Rows of a page: GitLab refuses to be asked for more of this list. */
const ROWS = '20'

/** The events that our hook starts runs for, as this list calls them. */
const TRIGGERS: ReadonlySet<string> = new Set([
  'push_hooks',
  'tag_push_hooks',
  'merge_request_hooks'
])

/** As GitLab sorts answers; what never came to one is a `server_failure`. */
type Outcome = 'server_failure' | 'client_failure' | 'successful'

const hookSchema = z.looseObject({
  id: z.number().int(),
  url: z.string(),
  alert_status: z.string().nullish()
})

/** Payloads are not kept. */
const eventsSchema = z.array(
  z.object({
    id: z.number().int(),
    trigger: z.string(),
    request_headers: z.looseObject({ 'Idempotency-Key': z.string().optional() }).nullish(),
    created_at: z.string().nullish()
  })
)

interface Tries {
  /** Newest first. */
  readonly tries: readonly DeliveryTry[]
  /** Wall clock from which on all are there. */
  readonly fromMs: number
}

/** The newest of what our hook did not take and can be sent again. */
export async function gitlabLost(
  http: ForgeHttp,
  path: string,
  hookUrl: string | undefined,
  sinceMs: number,
  signal: AbortSignal
): Promise<readonly FailedDelivery[]> {
  const root = hooksOf(path)
  const failed: FailedDelivery[] = []
  const hooks = { path: root, action: `list hooks of ${path}`, signal }
  for await (const { id, url, alert_status: state } of http.pages(hookSchema, 'per_page', hooks)) {
    // What GitLab has switched off it does not send again either.
    if (!isOurHook('gitlab', url, hookUrl) || (state ?? 'executable') !== 'executable') continue
    const call = { path: `${root}/${id}/events`, action: `list deliveries of ${path}`, signal }
    for (const lost of await lostOfHook(http, call, sinceMs)) {
      failed.push({ hook: String(id), delivery: String(lost.id) })
    }
  }
  return failed
}

/** Rejects as every call of ForgeApi does, but not where GitLab could not bring it again either. */
export async function gitlabResend(
  http: ForgeHttp,
  path: string,
  { hook, delivery }: FailedDelivery,
  signal: AbortSignal
): Promise<void> {
  const place = `${hooksOf(path)}/${hook}/events/${delivery}/resend`
  try {
    const action = `send a delivery of ${path} again`
    await http.call({ method: 'POST', path: place, action, signal })
  } catch (error) {
    if (refusedStatusOf(error) !== 422) throw error
  }
}

function hooksOf(path: string): string {
  return `/projects/${encodeURIComponent(path)}/hooks`
}

async function lostOfHook(
  http: ForgeHttp,
  call: ForgeCall,
  sinceMs: number
): Promise<readonly DeliveryTry[]> {
  const server = await triesOf(http, call, 'server_failure', sinceMs)
  const client = await triesOf(http, call, 'client_failure', sinceMs)
  const failed = [...server.tries, ...client.tries].toSorted((a, b) => b.id - a.id)
  // Mostly there are none: then what was taken, which has the longer list, is not asked for.
  if (lostOf(failed, sinceMs).length === 0) return []
  const oldestMs = Math.min(...failed.map(({ atMs }) => atMs))
  const taken = await triesOf(http, call, 'successful', oldestMs)
  // Of what is behind that list nobody knows whether it was taken: the comparison of heads does.
  const lost = lostOf([...taken.tries, ...failed], Math.max(sinceMs, taken.fromMs))
  return lost.slice(0, RECONCILE_RESENT_MAX)
}

async function triesOf(
  http: ForgeHttp,
  call: ForgeCall,
  status: Outcome,
  sinceMs: number
): Promise<Tries> {
  const tries: DeliveryTry[] = []
  for (let page = 1; page <= RECONCILE_EVENT_PAGES_MAX; page += 1) {
    const query = { status, per_page: ROWS, page: String(page) }
    const rows = await pageOf(http, { ...call, query })
    if (rows === undefined) break
    const found = rows.map((row) => tryOf(row, status === 'successful'))
    tries.push(...found.filter(({ atMs }) => atMs >= sinceMs))
    const isOlder = found.some(({ atMs }) => atMs < sinceMs)
    if (isOlder || rows.length < Number(ROWS)) return { tries, fromMs: sinceMs }
  }
  return { tries, fromMs: tries.at(-1)?.atMs ?? Number.POSITIVE_INFINITY }
}

/** Undefined where it is longer than an answer may be: a row has the whole payload. */
async function pageOf(http: ForgeHttp, call: ForgeCall) {
  try {
    return await http.read(eventsSchema, call)
  } catch (error) {
    if (isOverlong(error)) return undefined
    throw error
  }
}

function tryOf(
  { id, trigger, request_headers: headers, created_at: at }: z.infer<typeof eventsSchema>[number],
  isTaken: boolean
): DeliveryTry {
  const key = headers?.['Idempotency-Key'] ?? `event ${id}`
  return { id, key, isTaken, isOfRun: TRIGGERS.has(trigger), atMs: Date.parse(at ?? '') }
}
