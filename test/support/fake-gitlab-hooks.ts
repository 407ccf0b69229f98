import { type FakeDelivery, type FakeHook, redeliver } from './fake-forge-hooks.ts'
import type { FakeRepository } from './fake-forge-repository.ts'
import { type FakeAnswer, type FakeRequest, type FakeWorld, pageOf } from './fake-forge-world.ts'

/*
 * GitLab's hooks and what they have sent, as docs.gitlab.com/api/project_webhooks describes them;
 * what that leaves open (the highest `per_page`, the order, `created_at`, what a resend answers that
 * reached nobody) is as lib/api/hooks and app/services/web_hooks have it. For Maintainers.
 */

export interface HookStanding {
  readonly world: FakeWorld
  readonly request: FakeRequest
  readonly repository: FakeRepository
  readonly base: string
}

const PAGE_MAX = 20
const KEPT_MS = 7 * 86_400_000
/** For each hook and user. */
const RESENDS_A_MINUTE = 5

/** Wall clock of the resends that were let through. */
const resentAtMs = new WeakMap<FakeHook, number[]>()

export function hooks({ repository, request, base }: HookStanding): FakeAnswer {
  const all = repository.hooks.map(({ id, url, alertStatus = 'executable' }) => {
    const events = { push_events: true, tag_push_events: true, merge_requests_events: true }
    const state = { alert_status: alertStatus, disabled_until: null }
    return { id, url, project_id: repository.id, ...events, ...state }
  })
  const url = `${base}${request.path}`
  const { rows, headers } = pageOf(all, request.query, { size: 'per_page', max: 100, url })
  return { status: 200, body: rows, headers }
}

export function events(standing: HookStanding, id: string | undefined): FakeAnswer {
  const { world, repository, request, base } = standing
  const hook = repository.hooks.find((each) => String(each.id) === id)
  if (hook === undefined) return notFound()
  const { query } = request
  if (Number(query.get('per_page') ?? PAGE_MAX) > PAGE_MAX) return invalid('per_page')
  const status = query.get('status')
  if (status !== null && !/^(?:\d{3}|successful|(?:client|server)_failure)$/.test(status)) {
    return invalid('status')
  }
  const kept = hook.deliveries.filter((each) => each.deliveredAtMs >= world.nowMs() - KEPT_MS)
  const found = kept.filter((each) => status === null || isOf(each, status))
  const url = `${base}${request.path}`
  const asked = new URLSearchParams(query)
  if (!asked.has('per_page')) asked.set('per_page', String(PAGE_MAX))
  const { rows, headers } = pageOf(found, asked, { size: 'per_page', max: PAGE_MAX, url })
  return { status: 200, body: rows.map((each) => document(hook, each)), headers }
}

export async function resend(standing: HookStanding, hookId = '', id = ''): Promise<FakeAnswer> {
  const { world, repository } = standing
  const hook = repository.hooks.find((each) => String(each.id) === hookId)
  if (hook === undefined) return notFound()
  const nowMs = world.nowMs()
  const recent = (resentAtMs.get(hook) ?? []).filter((atMs) => atMs > nowMs - 60_000)
  if (recent.length >= RESENDS_A_MINUTE) {
    const error = 'This endpoint has been requested too many times. Try again later.'
    return { status: 429, body: { message: { error } } }
  }
  resentAtMs.set(hook, [...recent, nowMs])
  const delivery = hook.deliveries.find((each) => String(each.id) === id)
  if (delivery === undefined) return notFound()
  if (hook.alertStatus !== undefined) return { status: 422, body: { message: 'Hook disabled' } }
  const { status } = await redeliver(world, hook, delivery)
  if (status > 0) return { status: 201, body: { response_status: status } }
  return { status: 422, body: { message: `Failed to open TCP connection to ${hook.url}` } }
}

function isOf({ status }: FakeDelivery, wanted: string): boolean {
  if (wanted === 'successful') return status >= 200 && status < 300
  if (wanted === 'client_failure') return status >= 400 && status < 500
  if (wanted === 'server_failure') return status >= 500 || status === 0
  return String(status) === wanted
}

function document(
  hook: FakeHook,
  { id, guid, event, payload, status, deliveredAtMs }: FakeDelivery
) {
  return {
    id,
    url: hook.url,
    trigger: `${event.toLowerCase().replaceAll(' ', '_')}s`,
    request_headers: {
      'Content-Type': 'application/json',
      'Idempotency-Key': guid,
      'X-Gitlab-Event': event,
      'X-Gitlab-Token': '[REDACTED]'
    },
    request_data: JSON.parse(payload) as unknown,
    response_headers: {},
    response_body: '',
    execution_duration: 0.03,
    response_status: status === 0 ? 'internal error' : String(status),
    created_at: new Date(deliveredAtMs).toISOString()
  }
}

function invalid(name: string): FakeAnswer {
  return { status: 400, body: { error: `${name} does not have a valid value` } }
}

function notFound(): FakeAnswer {
  return { status: 404, body: { message: '404 Not found' } }
}
