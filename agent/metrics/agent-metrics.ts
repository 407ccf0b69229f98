import { type MemberMetricsParts, memberMetrics } from '../../protocol/api/member-metrics.ts'
import { type Metrics, seconds, stateSet } from '../../protocol/api/metrics.ts'
import type { AgentState } from '../../protocol/core/agent-state.ts'
import { CLAIMS_PENDING_MAX, FEEDS_MAX, WATCHES_MAX } from '../../protocol/core/limits.ts'
import { type CapacityMetricsParts, capacityMetrics } from './capacity-metrics.ts'
import { type GpuMetricsParts, gpuMetrics } from './gpu-metrics.ts'

export interface AgentMetricsParts
  extends MemberMetricsParts,
    CapacityMetricsParts,
    GpuMetricsParts {
  readonly state: () => AgentState
  readonly heldJobs: () => readonly string[]
  /** Jobs that wait for a turn here, and leases of others that are watched. */
  readonly pending: () => { readonly turns: number; readonly watches: number }
  /** Logs that are being brought to their gateways. */
  readonly feeds: () => number
  readonly advertisedAgeMs: () => number | undefined
  readonly problems: () => readonly unknown[]
}

const STATES: readonly AgentState[] = ['starting', 'idle', 'busy', 'paused', 'draining']

/** All that is read of an agent at a scrape; what it counts comes by `claimMetrics`. */
export function agentMetrics(metrics: Metrics, parts: AgentMetricsParts): void {
  memberMetrics(metrics, parts, [
    { queue: 'turns', length: () => parts.pending().turns, max: CLAIMS_PENDING_MAX },
    { queue: 'watches', length: () => parts.pending().watches, max: WATCHES_MAX },
    { queue: 'log_feeds', length: parts.feeds, max: FEEDS_MAX }
  ])
  metrics.gauge({ name: 'agent_state', help: '1 for its state.', labels: ['state'] }, () =>
    stateSet('state', STATES, parts.state())
  )
  metrics.value('agent_jobs_held', 'Jobs whose lease this agent has.', () => {
    return parts.heldJobs().length
  })
  metrics.value('agent_problems', 'Health lines, as `agent status` shows them.', () => {
    return parts.problems().length
  })
  metrics.value('agent_advertisement_age_seconds', 'Time since the last one went out.', () =>
    seconds(parts.advertisedAgeMs())
  )
  capacityMetrics(metrics, parts)
  gpuMetrics(metrics, parts)
}
