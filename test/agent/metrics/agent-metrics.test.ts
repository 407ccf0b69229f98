import { expect, test } from 'vitest'
import { type AgentMetricsParts, agentMetrics } from '../../../agent/metrics/agent-metrics.ts'
import { claimMetrics } from '../../../agent/metrics/claim-metrics.ts'
import { Metrics } from '../../../protocol/api/metrics.ts'
import { ledgerOf, NO_ROOM } from '../../../protocol/core/capacity.ts'
import { METRICS_JOBS_MAX } from '../../../protocol/core/metrics-limits.ts'
import { AMD, agentMetricsParts, EMPTY_LEDGER, GIB, NVIDIA } from '../../support/metric-parts.ts'
import { readExposition, seriesValue } from '../../support/prometheus-text.ts'

function agent(more: Partial<AgentMetricsParts> = {}) {
  const syncs: ((ms: number) => void)[] = []
  const metrics = new Metrics()
  const count = claimMetrics(metrics)
  const onSync = (listener: (ms: number) => void) => syncs.push(listener)
  agentMetrics(metrics, { ...agentMetricsParts(), onSync, ...more })
  const sync = (ms: number): void => {
    for (const listener of syncs) listener(ms)
  }
  return { metrics, count, sync, scrape: async () => readExposition(await metrics.text()) }
}

test('what an agent is and has can be scraped, in base units', async () => {
  const { scrape, sync } = agent()
  sync(7)
  sync(3_000)

  const families = await scrape()

  const of = (name: string, labels = {}) => seriesValue(families, `runner_mesh_${name}`, labels)
  expect(of('build_info', { version: '0.1.0' })).toBe(1)
  expect([of('agent_state', { state: 'busy' }), of('agent_state', { state: 'idle' })]).toEqual([
    1, 0
  ])
  expect([of('witnesses'), of('witnesses_reachable'), of('quorum_available')]).toEqual([3, 2, 1])
  expect([of('roster_version'), of('members'), of('peers_connected')]).toEqual([4, 3, 1])
  expect(of('gossip_peers', { topic: 'agents' })).toBe(1)
  expect(of('jobs_open', { state: 'queued' })).toBe(2)
  expect(of('runs', { state: 'queued' })).toBe(1)
  expect(of('agents', { state: 'idle' })).toBe(1)
  expect([of('queue_length', { queue: 'turns' }), of('queue_limit', { queue: 'turns' })]).toEqual([
    2, 64
  ])
  expect(of('agent_capacity_cpu_cores')).toBe(4)
  expect(of('agent_leased_cpu_cores')).toBe(1.5)
  expect(of('agent_available_cpu_cores')).toBe(2.5)
  expect(of('agent_leased_memory_bytes')).toBe(2 * GIB)
  expect(of('agent_leased_jobs')).toBe(1)
  expect(of('store_sync_seconds_count')).toBe(2)
  expect(of('store_sync_seconds_bucket', { le: '0.01' })).toBe(1)
  expect(of('store_sync_seconds_sum')).toBeCloseTo(3.007)
})

test('GPUs are shown by id and vendor, and what a driver does not say is not there', async () => {
  const families = await agent().scrape()

  const of = (name: string, labels = {}) => seriesValue(families, `runner_mesh_${name}`, labels)
  const nvidia = { gpu: NVIDIA, vendor: 'nvidia' }
  expect(of('agent_gpu_busy_ratio', nvidia)).toBe(0.87)
  expect(of('agent_gpu_memory_used_bytes', nvidia)).toBe(2 * GIB)
  expect(of('agent_gpu_power_watts', nvidia)).toBe(431)
  expect(of('agent_gpu_temperature_celsius', nvidia)).toBe(53)
  expect(of('agent_gpu_use_age_seconds')).toBe(4.2)
  expect(of('agent_gpu_info', { ...nvidia, model: 'NVIDIA "H100"\\80GB' })).toBe(1)
  expect(of('agent_gpu_health', { gpu: AMD, health: 'unhealthy' })).toBe(1)
  expect(of('agent_gpu_health', { gpu: AMD, health: 'ok' })).toBe(0)
  expect(of('agent_job_gpu_busy_ratio', { job: 'J.0', ...nvidia })).toBe(0.6)
  expect([of('agent_capacity_gpus'), of('agent_leased_gpus'), of('agent_available_gpus')]).toEqual([
    1, 0.5, 0
  ])
  for (const name of ['busy_ratio', 'memory_used_bytes', 'power_watts', 'temperature_celsius']) {
    const shown = families.get(`runner_mesh_agent_gpu_${name}`)?.samples.map(({ labels }) => labels)
    expect(shown, name).toEqual([nvidia])
  }
  expect(families.get('runner_mesh_agent_gpu_memory_bytes')?.samples).toHaveLength(1)
  expect(families.get('runner_mesh_agent_job_gpu_memory_used_bytes')?.samples).toEqual([])
})

test('what is not known yet has a name and no value: no zero stands for it', async () => {
  const families = await agent({
    roster: () => undefined,
    health: () => ({ witnesses: [], hasQuorum: false }),
    gossipPeers: () => new Map(),
    useAgeMs: () => undefined,
    ledger: () => ledgerOf({ ...EMPTY_LEDGER.capacity, diskBytes: 0 })
  }).scrape()

  const unknown = [
    'roster_version',
    'members',
    'witnesses',
    'witnesses_reachable',
    'quorum_available',
    'gossip_peers',
    'agent_advertisement_age_seconds',
    'agent_gpu_use_age_seconds'
  ]
  for (const name of unknown) {
    expect(families.get(`runner_mesh_${name}`)?.samples, name).toEqual([])
  }
  expect(families.has('runner_mesh_agent_capacity_disk_bytes')).toBe(false)
})

test('a closed host has capacity and nothing that is available', async () => {
  const families = await agent({ free: () => NO_ROOM }).scrape()

  expect(seriesValue(families, 'runner_mesh_agent_capacity_cpu_cores')).toBe(4)
  expect(seriesValue(families, 'runner_mesh_agent_available_cpu_cores')).toBe(0)
})

test('claims, renewals and ends are counted by what came of them', async () => {
  const { count, scrape } = agent()
  const before = await scrape()
  count({ kind: 'claimed', result: 'won' })
  count({ kind: 'claimed', result: 'lost' })
  count({ kind: 'claimed', result: 'won' })
  count({ kind: 'renewed', result: 'short' })
  count({ kind: 'overdue' })
  count({ kind: 'lost', reason: 'no_quorum' })
  count({ kind: 'ended', state: 'failed', reason: 'exit_code' })
  count({ kind: 'released', reason: 'drained' })

  const families = await scrape()

  const of = (name: string, labels = {}) =>
    seriesValue(families, `runner_mesh_agent_${name}`, labels)
  expect(seriesValue(before, 'runner_mesh_agent_claims_total', { result: 'won' })).toBe(0)
  expect(of('claims_total', { result: 'won' })).toBe(2)
  expect(of('claims_total', { result: 'lost' })).toBe(1)
  expect(of('lease_renewals_total', { result: 'short' })).toBe(1)
  expect(of('leases_overdue_total')).toBe(1)
  expect(of('leases_lost_total', { reason: 'no_quorum' })).toBe(1)
  expect(of('jobs_ended_total', { state: 'failed', reason: 'exit_code' })).toBe(1)
  expect(of('leases_released_total', { reason: 'drained' })).toBe(1)
})

test('however many jobs have GPUs, so many series are shown and no more', async () => {
  const jobs = new Map(
    Array.from({ length: 3 * METRICS_JOBS_MAX }, (_, index) => [
      `J.${index}`,
      [{ gpu: NVIDIA, busyPercent: 1, memoryBytes: 1 }]
    ])
  )
  const families = await agent({ use: () => ({ devices: new Map(), jobs }) }).scrape()

  const shown = families.get('runner_mesh_agent_job_gpu_busy_ratio')?.samples
  expect(shown).toHaveLength(METRICS_JOBS_MAX)
})
