import type { Metrics } from '../../protocol/api/metrics.ts'
import { FORGES, type ForgeName } from '../hooks/forge-hook.ts'

/** `refused`: the sender did something wrong; `failed`: this gateway could not. */
export const DELIVERY_VERDICTS = [
  ...(['accepted', 'duplicate', 'ignored', 'refused', 'failed'] as const)
]
export type DeliveryVerdict = (typeof DELIVERY_VERDICTS)[number]

/** `limited`: the forge wants to be left alone for a while. */
export const FORGE_RESULTS = ['answered', 'refused', 'limited', 'unreachable'] as const
export type ForgeResult = (typeof FORGE_RESULTS)[number]

/** `read`: from the delivery to a signed announcement; `record`: from there to a quorum. */
export type IntakePhase = 'read' | 'record'

/** What is counted when it happens. */
export interface GatewayCounts {
  readonly delivery: (forge: ForgeName, verdict: DeliveryVerdict) => void
  readonly phase: (phase: IntakePhase, ms: number) => void
  readonly forge: (forge: ForgeName, result: ForgeResult) => void
}

/** From a commit that is at hand to a forge that is away for minutes. */
const INTAKE_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900]

export function gatewayCounts(metrics: Metrics): GatewayCounts {
  const deliveries = metrics.counter(
    {
      name: 'gateway_deliveries_total',
      help: 'Webhook requests, by the forge of their path and what they were answered.',
      labels: ['forge', 'verdict']
    },
    FORGES.flatMap((forge) => DELIVERY_VERDICTS.map((verdict) => ({ forge, verdict })))
  )
  const intake = metrics.histogram(
    {
      name: 'gateway_intake_seconds',
      help: 'Time of a delivery from its receipt to an announcement, and to its record.',
      labels: ['phase']
    },
    INTAKE_SECONDS
  )
  const requests = metrics.counter(
    {
      name: 'gateway_forge_requests_total',
      help: 'Requests to APIs of forges, by result.',
      labels: ['forge', 'result']
    },
    // Bare Git has no API.
    FORGES.filter((forge) => forge !== 'git').flatMap((forge) =>
      FORGE_RESULTS.map((result) => ({ forge, result }))
    )
  )
  return {
    delivery: (forge, verdict) => deliveries({ forge, verdict }),
    // A wall clock that was set back meanwhile took no time.
    phase: (phase, ms) => intake(Math.max(0, ms) / 1_000, { phase }),
    forge: (forge, result) => requests({ forge, result })
  }
}
