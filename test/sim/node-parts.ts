import type { Board } from '../../protocol/core/board.ts'
import type { JobOpBody, JobState } from '../../protocol/core/job.ts'
import type { RejectReason } from '../../protocol/core/job-reducer.ts'
import type { Signer } from '../../protocol/core/ports.ts'
import type { Ref, SimClient } from './client.ts'
import type { Disk } from './disk.ts'
import type { Network } from './network.ts'
import type { SimProcess } from './process.ts'
import type { SimRosters } from './rosters.ts'
import type { Scene } from './scene.ts'
import type { Shelf } from './shelf.ts'

/** What one host's process has; `board` and `disk` are those of its present life and store. */
export interface NodeParts {
  readonly scene: Scene
  readonly process: SimProcess
  readonly network: Network
  /** The rosters that this host knows. */
  readonly rosters: SimRosters
  readonly client: SimClient
  readonly shelf: Shelf
  readonly signer: Signer
  readonly board: () => Board
  readonly disk: () => Disk
  readonly jobs: JobDoor
}

/** What became of a change of a job, as production's claim room sees it. */
export interface JobChange {
  readonly kind: 'applied' | 'same' | 'rejected' | 'busy' | 'unresolved'
  readonly value: JobState | undefined
  readonly reason: RejectReason | undefined
  /** A quorum of each witness epoch says that there is no such run: RUN_UNKNOWN in production. */
  readonly isUnknown?: boolean
}

export type JobRead =
  | {
      readonly kind: 'chosen'
      readonly state: JobState | undefined
      readonly leaseRemainingMs: number
    }
  | { readonly kind: 'unreachable' }

/** Jobs by their ids: creates a register on first use, and shows the board what was chosen. */
export interface JobDoor {
  change(jobId: string, opId: string, body: JobOpBody, done: (change: JobChange) => void): void
  read(jobId: string, done: (read: JobRead) => void): void
  hint(jobId: string): void
  /** Begins the register that a chosen stop-sign leads to. */
  land(ref: Ref, moved: JobState, done: (next: Ref | undefined) => void): void
}

/** Runs once `seq` is synced, in this life of the process only. */
export function afterSync({ disk, process }: NodeParts, seq: number, task: () => void): void {
  const { boot } = process
  disk().whenSynced(seq, () => process.run(boot, task))
}

/** A random wait of the `attempt`-th try, as backoffMs has it. */
export function laterBy(parts: NodeParts, ms: number, task: () => void): void {
  parts.process.arm(parts.scene.timeline.random() * ms, task)
}
