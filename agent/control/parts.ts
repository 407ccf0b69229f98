import type { Board } from '../../protocol/core/board.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { SealedRoster } from '../../protocol/core/roster.ts'
import type { PeerLink } from '../../protocol/mesh/links.ts'
import type { LogAnswer, LogQuestion } from '../logs/log-reader.ts'
import type { AdmitRequest } from './contract.ts'

/** Which witnesses exist and answer, as the mesh sees them. */
export interface MeshHealth {
  readonly witnesses: readonly {
    readonly peerId: string
    readonly name: string
    readonly reachable: boolean
  }[]
  readonly w: number
  readonly quorum: number
}

/** What the local API reads; all of it is a view, nothing here decides. */
export interface ControlParts {
  readonly peerId: string
  readonly name: string
  readonly version: string
  readonly board: Board
  readonly clock: Clock
  roster(): SealedRoster | undefined
  links(): readonly PeerLink[]
  health(): MeshHealth
  /** Problems of this host with their way out, as the probe found them. */
  problems(): readonly {
    readonly code: string
    readonly message: string
    readonly fix: string
  }[]
  readLog(question: LogQuestion): Promise<LogAnswer>
  /** Signs and pushes a roster. Throws AUTHORITY_ABSENT where this agent holds no authority key. */
  admit(request: AdmitRequest): Promise<{ readonly version: number; readonly witnessEpoch: number }>
}
