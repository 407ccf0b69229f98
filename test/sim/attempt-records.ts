import type { Outcome } from '../../protocol/core/job.ts'
import type { EndBody } from './end-lease.ts'
import type { NodeParts } from './node-parts.ts'

/** What an agent's own disk says of an attempt: all that a later process of it knows. */
export interface AttemptRecord {
  readonly jobId: string
  readonly epoch: number
  readonly claimId: string
  readonly phase: 'starting' | 'running' | 'exited'
  readonly outcome: Outcome | undefined
  readonly userCodeRan: boolean
  /** Why its steps were told to end. */
  readonly told: 'cancelled' | undefined
  /** By the wall clock. */
  readonly startedAtMs: number
}

export function putRecord({ disk }: NodeParts, record: AttemptRecord): number {
  return disk().put(`l/${record.jobId}`, record)
}

export function dropRecord({ disk }: NodeParts, jobId: string): void {
  disk().put(`l/${jobId}`, undefined)
}

export function recordsOf({ disk }: NodeParts): readonly AttemptRecord[] {
  return disk()
    .keys('l/')
    .map((key) => disk().read(key) as AttemptRecord)
}

/** How a process that finds this record ends its lease; the container must be gone. */
export function endingOfRecord(record: AttemptRecord): EndBody {
  const { epoch, claimId, outcome, userCodeRan } = record
  if (record.phase === 'exited' && outcome !== undefined) {
    return { kind: 'complete', epoch, claimId, outcome }
  }
  return { kind: 'release', epoch, claimId, reason: 'agent_lost', userCodeRan }
}
