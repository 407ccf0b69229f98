import type { CancelVerdict } from '../../protocol/api/job-cancel.ts'
import type { FollowSource } from '../../protocol/api/log-follow.ts'
import type { LogStreams } from '../../protocol/api/log-streams.ts'
import type { Metrics } from '../../protocol/api/metrics.ts'
import type { Sources } from '../../protocol/api/sources.ts'
import type { BoardJob } from '../../protocol/core/board-job.ts'
import type { EpochHealth } from '../../protocol/core/epochs.ts'
import type { CancelTerms } from '../../protocol/core/job.ts'
import type { Roster } from '../../protocol/core/roster.ts'
import type { MeshHealth } from '../../protocol/mesh/health.ts'
import type { PeerLink } from '../../protocol/mesh/links/links.ts'
import type { Revocation } from '../admission.ts'
import type { LogAnswer, LogQuestion } from '../logs/log-reader.ts'
import type { GpuUseReading } from '../probe/gpu/use/host-gpu-use.ts'
import type {
  AdmitRequest,
  InviteRequest,
  InviteView,
  OrdersView,
  ReseatRequest,
  RevokeRequest
} from './contract.ts'

/** What the owner orders this agent; it lasts as long as the process. */
export interface Orders {
  view(): Omit<OrdersView, 'schema'>
  /** Finishes what runs, claims nothing new. */
  drain(): void
  /** Takes that back. Throws STOPPING where the process is about to end. */
  resume(): void
}

/** What the local API reads; all of it is a view, but for orders that it hands on. */
export interface ControlParts extends Sources {
  readonly peerId: string
  readonly name: string
  readonly version: string
  links(): readonly PeerLink[]
  health(): Pick<MeshHealth, 'witnesses' | 'w' | 'quorum'>
  epochs(): readonly EpochHealth[]
  /** Problems of this host with their way out, as the probe found them. */
  problems(): readonly {
    readonly code: string
    readonly message: string
    readonly fix: string
  }[]
  /** How this host's GPUs are used, by the last look. */
  gpuUse(): GpuUseReading
  readLog(question: LogQuestion): Promise<LogAnswer>
  readonly metrics: Pick<Metrics, 'text'>
  readonly follow: FollowSource
  readonly streams: LogStreams
  readonly orders: Orders
  /** Rejects as cancelJob does. */
  cancel(job: BoardJob, terms: CancelTerms): Promise<CancelVerdict>
  /** Signs and pushes a roster. Throws AUTHORITY_ABSENT where this agent holds no authority key. */
  admit(request: AdmitRequest): Promise<{ readonly version: number; readonly witnessEpoch: number }>
  /** Takes seats, and gives a witness epoch up. Throws as reseatMembers does. */
  reseat(request: ReseatRequest): Promise<Roster>
  /** Throws members out. Throws as revokeMembers does. */
  revoke(request: RevokeRequest): Promise<Revocation>
  /** Makes an invite and its string. Throws AUTHORITY_ABSENT, OVERLOADED. */
  invite(request: InviteRequest): Promise<InviteView>
}
