import { afterEach, beforeEach, expect, test } from 'vitest'
import { gatewayCounts } from '../../../gateway/metrics/event-metrics.ts'
import {
  type GatewayMetricsParts,
  gatewayMetrics
} from '../../../gateway/metrics/gateway-metrics.ts'
import { Metrics } from '../../../protocol/api/metrics.ts'
import { HttpRig, signedPost } from '../../support/http-rig.ts'
import { gatewayMetricsParts } from '../../support/metric-parts.ts'
import { readExposition, seriesValue } from '../../support/prometheus-text.ts'

let metrics: Metrics
let rig: HttpRig

beforeEach(async () => {
  metrics = new Metrics()
  const { delivery: onAnswer, phase: onPhase } = gatewayCounts(metrics)
  rig = await HttpRig.make({ api: { metrics }, onAnswer, onPhase })
})

afterEach(() => rig.stop())

async function scrape() {
  const { headers, body } = await rig.app.inject({ url: '/metrics', headers: await rig.bearer() })
  expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8')
  return readExposition(body)
}

function read(more: Partial<GatewayMetricsParts> = {}): void {
  gatewayMetrics(metrics, { ...gatewayMetricsParts(), ...more })
}

test('the metrics need a token of scope read, as the API does', async () => {
  const none = await rig.app.inject({ url: '/metrics' })
  const wrong = await rig.app.inject({
    url: '/metrics',
    headers: { authorization: 'Bearer rmt_x' }
  })
  const lacking = await rig.app.inject({ url: '/metrics', headers: await rig.bearer(['write']) })

  expect([none.statusCode, none.json().code]).toEqual([401, 'TOKEN_INVALID'])
  expect(wrong.statusCode).toBe(401)
  expect([lacking.statusCode, lacking.json().code]).toEqual([403, 'SCOPE_MISSING'])
})

test('deliveries are counted by forge and by what they were answered', async () => {
  const first = signedPost()
  await rig.app.inject(first)
  await rig.app.inject(first)
  await rig.app.inject(signedPost('{"repository":"team/none"}'))
  await rig.app.inject({ ...first, headers: { ...first.headers, 'webhook-signature': 'v1,AAAA' } })

  const families = await scrape()

  const of = (verdict: string) =>
    seriesValue(families, 'runner_mesh_gateway_deliveries_total', { forge: 'git', verdict })
  expect(of('accepted')).toBe(1)
  expect(of('duplicate')).toBe(1)
  expect(of('refused')).toBeGreaterThanOrEqual(1)
  expect(of('failed')).toBe(0)
  expect(
    seriesValue(families, 'runner_mesh_gateway_deliveries_total', {
      forge: 'gitlab',
      verdict: 'accepted'
    })
  ).toBe(0)
})

test('the time of the intake is there once a delivery was read and recorded', async () => {
  await rig.app.inject(signedPost())
  await expect.poll(() => rig.intake.queued).toBe(0)

  const families = await scrape()

  for (const phase of ['read', 'record']) {
    expect(seriesValue(families, 'runner_mesh_gateway_intake_seconds_count', { phase })).toBe(1)
  }
})

test('what waits in a gateway can be scraped, and how long', async () => {
  read()

  const families = await scrape()

  const of = (name: string, labels = {}) => seriesValue(families, `runner_mesh_${name}`, labels)
  expect(of('queue_length', { queue: 'intake' })).toBe(3)
  expect(of('queue_limit', { queue: 'intake' })).toBe(2_000)
  expect([of('gateway_statuses_unsent'), of('gateway_statuses_oldest_seconds')]).toEqual([2, 61])
  expect([of('gateway_reconcile_lag_seconds'), of('gateway_reconcile_failing')]).toEqual([1.5, 1])
  expect(of('gateway_agent_silence_seconds', { agent: 'basalt' })).toBe(3)
  expect(of('witnesses_reachable')).toBe(2)
})

test('where all is told no age stands for the oldest', async () => {
  read({ outbox: { open: 0, unsent: 0, oldestMs: undefined } })

  const families = await scrape()

  expect(families.get('runner_mesh_gateway_statuses_oldest_seconds')?.samples).toEqual([])
})
