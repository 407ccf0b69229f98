import type { CancelVerdict } from '../../protocol/api/job-cancel.ts'
import type { FollowSource } from '../../protocol/api/log-follow.ts'
import type { LogStreams } from '../../protocol/api/log-streams.ts'
import type { NamedEquivocation } from '../../protocol/api/member-lines.ts'
import type { Metrics } from '../../protocol/api/metrics.ts'
import type { Sources } from '../../protocol/api/sources.ts'
import type { BoardJob } from '../../protocol/core/board-job.ts'
import type { EpochHealth } from '../../protocol/core/epochs.ts'
import type { CancelTerms, JobState } from '../../protocol/core/job.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { MeshHealth } from '../../protocol/mesh/health.ts'
import type { PeerLink } from '../../protocol/mesh/links/links.ts'
import type { InboxStore } from '../../protocol/store/inbox-store.ts'
import type { LogRead } from '../../protocol/store/job-log.ts'
import type { OrderAgent } from '../agent-orders.ts'
import type { Approvals } from '../approvals.ts'
import type { LogQuestion } from '../logs/log-reader.ts'
import type { Announcer } from '../ports.ts'
import type { RunOrders } from '../run-orders.ts'
import type { SourceDoor } from '../source-door.ts'
import type { Outbox } from '../status/outbox.ts'

/** What the API reads; all of it is a view, but for orders that it hands on. */
export interface ApiParts extends Sources {
  readonly peerId: string
  readonly version: string
  readonly inbox: Pick<InboxStore, 'byRun' | 'get' | 'list'>
  readonly announcer: Pick<Announcer, 'open'>
  readonly approvals: Pick<Approvals, 'waiting' | 'approve' | 'reject'>
  readonly door: Pick<SourceDoor, 'replay'>
  readonly orders: Pick<RunOrders, 'start' | 'retry'>
  /** Rejects with ORDER_REFUSED, PEER_UNREACHABLE. */
  readonly orderAgent: OrderAgent
  readonly statuses: Pick<Outbox, 'open' | 'unsent' | 'givenUp'>
  /** Chosen state of a job, from a quorum. Rejects with QUORUM_UNREACHABLE. */
  readJob(jobId: string): Promise<JobState | undefined>
  links(): readonly Pick<PeerLink, 'peerId' | 'rttMs'>[]
  health(): MeshHealth
  epochs(): readonly EpochHealth[]
  equivocations(): readonly NamedEquivocation[]
  readonly metrics: Pick<Metrics, 'text'>
  intakeQueued(): number
  stopping(): boolean
  readLog(question: LogQuestion): Promise<LogRead>
  readonly follow: FollowSource
  readonly streams: LogStreams
  /** Rejects as cancelJob does. */
  cancel(job: BoardJob, terms: CancelTerms): Promise<CancelVerdict>
  readonly log: Log
}
