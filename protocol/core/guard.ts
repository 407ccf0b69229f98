import type { JobState } from './job.ts'
import type { LeasedJob } from './lease-timer.ts'
import { leasedJob } from './lease-timer.ts'
import type { RegisterValue } from './messages.ts'

/**
 * The lease guard (lease-protocol 4.5): whether a witness that has accepted `known` may accept
 * `value`, `leftMs` before the lease in `known` may be taken over. Each of its own witnesses holds
 * a lease's time: a check by the proposer alone would miss a renewal that lands after its prepare.
 */
export function permits(
  known: RegisterValue | undefined,
  value: RegisterValue,
  leftMs: number
): boolean {
  const held = leasedJob(known)
  if (held === undefined || value.kind !== 'job') return true
  // A lower epoch at a higher ballot: the lease known here was never chosen.
  if (value.epoch < held.epoch) return true
  if (value.epoch === held.epoch && !deposes(value)) return true
  return endedByHolder(value, held) || leftMs === 0
}

/** True for the two ops that end a lease without its holder. */
function deposes(value: JobState): boolean {
  const { kind } = value.op.body
  return kind === 'error' || (kind === 'claim' && value.phase === 'cancelled')
}

// The value itself proves the end: by its op, or by an entry of its history that the holder signed.
function endedByHolder(value: JobState, held: LeasedJob): boolean {
  return value.history.some(
    (entry) =>
      entry.epoch === held.epoch &&
      entry.holder === held.lease.holder &&
      entry.claimId === held.lease.claimId &&
      entry.end !== 'expired'
  )
}
