import { type MemberMetricsParts, memberMetrics } from '../../protocol/api/member-metrics.ts'
import { type Metrics, seconds } from '../../protocol/api/metrics.ts'
import { STATUSES_KEPT_MAX } from '../../protocol/core/forge-limits.ts'
import { INTAKE_QUEUE_MAX } from '../../protocol/core/limits.ts'
import type { Reconciler } from '../reconcile/reconciler.ts'
import type { Outbox } from '../status/outbox.ts'

export interface GatewayMetricsParts extends MemberMetricsParts {
  readonly intakeQueued: () => number
  readonly repositories: () => number
  readonly outbox: Pick<Outbox, 'open' | 'unsent' | 'oldestMs'>
  readonly reconciler: Pick<Reconciler, 'lag'>
}

/** All that is read of a gateway at a scrape; what it counts comes by `gatewayCounts`. */
export function gatewayMetrics(metrics: Metrics, parts: GatewayMetricsParts): void {
  const { outbox, reconciler, board, clock } = parts
  memberMetrics(metrics, parts, [
    { queue: 'intake', length: parts.intakeQueued, max: INTAKE_QUEUE_MAX },
    { queue: 'statuses', length: () => outbox.open, max: STATUSES_KEPT_MAX }
  ])
  metrics.value('gateway_repositories', 'Repositories in gateway.yaml.', parts.repositories)
  metrics.value('gateway_statuses_unsent', 'Statuses that are told and not acknowledged.', () => {
    return outbox.unsent
  })
  metrics.value(
    'gateway_statuses_oldest_seconds',
    'Time since the oldest of those came to be told, or this process began; none where all is told.',
    () => seconds(outbox.oldestMs)
  )
  metrics.value(
    'gateway_reconcile_lag_seconds',
    'Time since the look at a repository that is due the longest.',
    () => seconds(reconciler.lag.overdueMs)
  )
  metrics.value('gateway_reconcile_failing', 'Repositories whose last look failed.', () => {
    return reconciler.lag.failing
  })
  metrics.gauge(
    {
      name: 'gateway_agent_silence_seconds',
      help: 'Time since each agent said something, by its name.',
      labels: ['agent']
    },
    () => {
      const bootMs = clock.bootMs()
      return board.agents(bootMs).map(({ advertisement: { name: agent }, heardAtMs }) => {
        return { labels: { agent }, value: seconds(bootMs - heardAtMs) }
      })
    }
  )
}
