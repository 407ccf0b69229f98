import type { LogStreams } from '../../protocol/api/log-streams.ts'
import type { Metrics } from '../../protocol/api/metrics.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { DiskWatch } from '../../protocol/host/disk-watch.ts'
import { VERSION } from '../../protocol/host/version.ts'
import type { Member } from '../../protocol/mesh/member.ts'
import type { MeshStore } from '../../protocol/store/mesh-store.ts'
import type { Intake } from '../intake.ts'
import type { Reconciler } from '../reconcile/reconciler.ts'
import type { Repositories } from '../repositories.ts'
import type { Outbox } from '../status/outbox.ts'
import { gatewayMetrics } from './gateway-metrics.ts'

/** What is put together in a gateway, as far as metrics are read of it. */
export interface GatewayRooms {
  readonly member: Member
  readonly intake: Pick<Intake, 'queued'>
  readonly repositories: Pick<Repositories, 'size'>
  readonly outbox: Outbox
  readonly reconciler: Reconciler
  readonly streams: LogStreams
}

interface Ground {
  readonly clock: Clock
  readonly store: Pick<MeshStore, 'onSync'>
  readonly disk: Pick<DiskWatch, 'isLow'>
}

/** What is read at each scrape of `metrics`. */
export function openMetrics(metrics: Metrics, ground: Ground, rooms: GatewayRooms): void {
  const { clock, store, disk } = ground
  const { member, intake, repositories, outbox, reconciler, streams } = rooms
  gatewayMetrics(metrics, {
    version: VERSION,
    board: member.board,
    clock,
    roster: () => member.roster(),
    links: () => member.node.links(),
    gossipPeers: () => member.gossipPeers(),
    health: () => member.health(),
    streams,
    disk,
    onSync: (listener) => store.onSync(listener),
    intakeQueued: () => intake.queued,
    repositories: () => repositories.size,
    outbox,
    reconciler
  })
}
