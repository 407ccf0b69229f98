import type { JobState } from './job.ts'
import type { LeasedJob } from './lease-timer.ts'
import { adoptionsOf, heldJob, sameClaim, sameLeaseKey } from './lease-timer.ts'
import type { RegisterValue } from './messages.ts'

/** What a witness knows, in memory alone, of the lease in the value that it has accepted. */
export interface HeldLease {
  /** Milliseconds before it may be taken over. */
  readonly leftMs: number
  /** Its holder has renewed it here, or may have done so before a restart. */
  readonly confirmed: boolean
  /** The very process that has it now did; a new one has not, until it renews for itself. */
  readonly confirmedBoot: boolean
}

/**
 * The lease guard (lease-protocol 4.5): whether a witness that has accepted `known` may accept
 * `value`, whatever its ballot. Each of its own witnesses holds a lease's time: a check by the
 * proposer alone would miss a renewal that lands after its prepare, and a proposer may lie.
 */
export function permits(
  known: RegisterValue | undefined,
  value: RegisterValue,
  lease: HeldLease
): boolean {
  const held = heldJob(known)
  if (held === undefined || value.kind !== 'job') return true
  if (sameLeaseKey(held, value) || endedByHolder(value, held) || lease.leftMs === 0) return true
  if (sameClaim(held, value)) return permitsBoot(held, value, lease)
  // From here on the value either ends the lease by somebody else's will, or is made of a past in
  // which that lease never was. The second is honest as long as the lease may be unchosen: two
  // claims of one epoch met, and a round that saw only the other one goes on.
  //
  // Safe: a holder renews only a claim that it knows as chosen. So once it has renewed here, no
  // value that an honest proposer makes lacks that claim; one that does is a lie, and waits until
  // the lease is over. Without this, one member could put a `create` over a living lease at every
  // witness, and claim its epoch again beside its holder.
  //
  // Live: what descends from a confirmed claim is treated as if nothing were confirmed, so no
  // honest value waits for this. A holder that lies can confirm an unchosen claim, but only at a
  // minority, or it would be chosen; and it must go on renewing to keep others out even there.
  if (lease.confirmed) return false
  return value.epoch < held.epoch || (value.epoch === held.epoch && !deposes(value))
}

/**
 * A lease goes over to a later process of its holder by that one's signature. Back it goes only as
 * long as the adoption may be unchosen: without this a member could give a living lease to a
 * process that is dead, or to none, and its holder's renewals would be refused.
 */
function permitsBoot(held: LeasedJob, value: RegisterValue, lease: HeldLease): boolean {
  const next = heldJob(value)
  if (next === undefined) return false
  return adoptionsOf(next.lease) > adoptionsOf(held.lease) || !lease.confirmedBoot
}

/**
 * True for the ops that end a lease without its holder. A `cancel` only flags a leased job: one
 * that ends it is made of a job that is not leased, and then the holder's own end is in its
 * history.
 */
function deposes(value: JobState): boolean {
  const { kind } = value.op.body
  return (
    kind === 'error' || (value.phase === 'cancelled' && (kind === 'claim' || kind === 'cancel'))
  )
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
