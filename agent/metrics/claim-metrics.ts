import type { Metrics } from '../../protocol/api/metrics.ts'
import type { LossReason } from '../../protocol/core/lease.ts'
import type { ClaimEvent } from '../claim/claim-event.ts'

type ResultOf<K> = Extract<ClaimEvent, { kind: K; result: string }>['result']

const CLAIMED: readonly ResultOf<'claimed'>[] = ['won', 'lost', 'unresolved']
const RENEWED: readonly ResultOf<'renewed'>[] = ['renewed', 'short', 'failed']
const LOST: readonly LossReason[] = ['expired', 'stale', 'no_quorum']

/** What claims and leases of this process came to; the returned function takes what happens. */
export function claimMetrics(metrics: Metrics): (event: ClaimEvent) => void {
  const claims = metrics.counter(
    { name: 'agent_claims_total', help: 'Claims proposed, by result.', labels: ['result'] },
    CLAIMED.map((result) => ({ result }))
  )
  const renewals = metrics.counter(
    { name: 'agent_lease_renewals_total', help: 'Renewals of leases.', labels: ['result'] },
    RENEWED.map((result) => ({ result }))
  )
  const overdue = metrics.counter({
    name: 'agent_leases_overdue_total',
    help: 'Leases whose steps were stopped because no renewal came through.'
  })
  const lost = metrics.counter(
    { name: 'agent_leases_lost_total', help: 'Leases lost while held.', labels: ['reason'] },
    LOST.map((reason) => ({ reason }))
  )
  const ended = metrics.counter({
    name: 'agent_jobs_ended_total',
    help: 'Jobs whose end was recorded, by state and reason.',
    labels: ['state', 'reason']
  })
  const released = metrics.counter({
    name: 'agent_leases_released_total',
    help: 'Leases given back, so that another attempt may begin.',
    labels: ['reason']
  })
  return (event) => {
    if (event.kind === 'claimed') claims({ result: event.result })
    else if (event.kind === 'renewed') renewals({ result: event.result })
    else if (event.kind === 'overdue') overdue()
    else if (event.kind === 'lost') lost({ reason: event.reason })
    else if (event.kind === 'released') released({ reason: event.reason })
    else ended({ state: event.state, reason: event.reason })
  }
}
