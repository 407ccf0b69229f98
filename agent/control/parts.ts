import type { Sources } from '../../protocol/api/sources.ts'
import type { MeshHealth } from '../../protocol/mesh/health.ts'
import type { PeerLink } from '../../protocol/mesh/links.ts'
import type { LogAnswer, LogQuestion } from '../logs/log-reader.ts'
import type { AdmitRequest, InviteRequest, InviteView } from './contract.ts'

/** What the local API reads; all of it is a view, nothing here decides. */
export interface ControlParts extends Sources {
  readonly peerId: string
  readonly name: string
  readonly version: string
  links(): readonly PeerLink[]
  health(): Pick<MeshHealth, 'witnesses' | 'w' | 'quorum'>
  /** Problems of this host with their way out, as the probe found them. */
  problems(): readonly {
    readonly code: string
    readonly message: string
    readonly fix: string
  }[]
  readLog(question: LogQuestion): Promise<LogAnswer>
  /** Signs and pushes a roster. Throws AUTHORITY_ABSENT where this agent holds no authority key. */
  admit(request: AdmitRequest): Promise<{ readonly version: number; readonly witnessEpoch: number }>
  /** Makes an invite and its string. Throws AUTHORITY_ABSENT, OVERLOADED. */
  invite(request: InviteRequest): Promise<InviteView>
}
