import type { Metrics } from '../../protocol/api/metrics.ts'
import { freeOf, NO_ROOM } from '../../protocol/core/capacity.ts'
import type { Member } from '../../protocol/mesh/member.ts'
import type { Advertiser } from '../advertiser.ts'
import type { AgentParts } from '../agent-parts.ts'
import type { Claimer } from '../claim/claimer.ts'
import type { ControlParts } from '../control/parts.ts'
import type { Life } from '../life.ts'
import type { Feeds } from '../logs/feeds.ts'
import { type AgentMetricsParts, agentMetrics } from './agent-metrics.ts'
import { MetricsServer } from './metrics-server.ts'

/** What is put together in an agent, as far as metrics are read of it. */
export interface AgentRooms {
  readonly life: Life
  readonly member: Member
  readonly claimer: Claimer
  readonly advertiser: Advertiser
  readonly feeds: Feeds
  readonly control: ControlParts
  /** False where nothing can be claimed whatever is free. */
  readonly hasRoom: () => boolean
}

/** What is read at each scrape of `metrics`, and the port for it, which `start` opens. */
export function openMetrics(metrics: Metrics, parts: AgentParts, rooms: AgentRooms): MetricsServer {
  agentMetrics(metrics, metricsPartsOf(parts, rooms))
  return new MetricsServer({ metrics, log: parts.log }, parts.settings.metrics)
}

function metricsPartsOf(
  { store, disk, gpus, sampler, door, clock }: AgentParts,
  rooms: AgentRooms
): AgentMetricsParts {
  const { life, member, claimer, advertiser, feeds, control, hasRoom } = rooms
  const isOpen = (): boolean => life.mayClaim && hasRoom() && door.closing === undefined
  return {
    version: control.version,
    board: member.board,
    clock,
    roster: () => member.roster(),
    links: () => member.node.links(),
    gossipPeers: () => member.gossipPeers(),
    health: () => member.health(),
    streams: control.streams,
    disk,
    onSync: (listener) => store.onSync(listener),
    ledger: () => claimer.ledger,
    free: () => (isOpen() ? freeOf(claimer.ledger) : NO_ROOM),
    gpus: () => gpus.gpus,
    use: () => sampler.last,
    useAgeMs: () => sampler.ageMs,
    state: () => life.state,
    heldJobs: () => claimer.heldJobs,
    pending: () => claimer.pending,
    feeds: () => feeds.size,
    advertisedAgeMs: () => advertiser.ageMs,
    problems: () => control.problems()
  }
}
