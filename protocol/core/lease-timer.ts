import type { JobState, Lease } from './job.ts'
import { profileOf } from './lease-profile.ts'
import type { LeaseView, RegisterValue, Stage } from './messages.ts'

/** What a witness knows of a lease beyond its record: in memory only, by its own boot clock. */
export interface LeaseTimer {
  /** Boot milliseconds of the last fresh accept or renewal, or of the load after a restart. */
  readonly renewedAtMs: number
  /** Set once another claimer saw the lease expired here: renewals are refused from then on. */
  readonly fenced: boolean
  readonly stage: Stage | undefined
}

/** Milliseconds after its last renewal at which a lease of this length may be taken over. */
export function takeOverMsOf(leaseMs: number): number {
  const profile = profileOf(leaseMs)
  // A length of no profile gets the formula of 4.11 with the longest slack: never too short.
  return profile?.takeOverMs ?? Math.ceil((leaseMs * 1.01) / 0.99) + UNKNOWN_PROFILE_SLACK_MS
}

const UNKNOWN_PROFILE_SLACK_MS = 1_000

/** The value as a job that is leased, or undefined. */
export function leasedJob(value: RegisterValue | undefined): LeasedJob | undefined {
  if (value?.kind !== 'job' || value.phase !== 'leased' || value.lease === undefined) return
  return { ...value, phase: 'leased', lease: value.lease }
}

export type LeasedJob = JobState & { readonly phase: 'leased'; readonly lease: Lease }

/**
 * The value as a job with a lease that binds: leased, or moved with one. The stop-sign itself may
 * never be chosen, and its lease must not be anybody's for the taking meanwhile.
 */
export function heldJob(value: RegisterValue | undefined): LeasedJob | undefined {
  if (value?.kind !== 'job' || value.lease === undefined) return
  if (value.phase !== 'leased' && value.phase !== 'moved') return
  return { ...value, phase: 'leased', lease: value.lease }
}

/** True when both are leased by the very same claim: epoch, holder, claim and boot. */
export function sameLeaseKey(a: RegisterValue | undefined, b: RegisterValue | undefined): boolean {
  return sameClaim(a, b) && heldJob(a)?.lease.boot === heldJob(b)?.lease.boot
}

/** True when both are leased by the same claim, by whichever process of its holder. */
export function sameClaim(a: RegisterValue | undefined, b: RegisterValue | undefined): boolean {
  const [one, other] = [heldJob(a), heldJob(b)]
  if (one === undefined || other === undefined || one.epoch !== other.epoch) return false
  return one.lease.holder === other.lease.holder && one.lease.claimId === other.lease.claimId
}

/** How often the holder has restarted under this claim and taken its lease on. */
export function adoptionsOf(lease: Lease): number {
  return lease.adoption?.number ?? 0
}

/** Milliseconds until this witness lets another claim in; 0 where nothing is leased. */
export function remainingMs(
  value: RegisterValue | undefined,
  timer: LeaseTimer,
  nowMs: number
): number {
  const job = heldJob(value)
  if (job === undefined) return 0
  return Math.max(0, takeOverMsOf(job.lease.leaseMs) - (nowMs - timer.renewedAtMs))
}

/** The lease as this witness shows it in its answers; undefined where nothing is leased. */
export function leaseView(
  value: RegisterValue | undefined,
  timer: LeaseTimer,
  nowMs: number
): LeaseView | undefined {
  const job = leasedJob(value)
  if (job === undefined) return
  return { epoch: job.epoch, remainingMs: remainingMs(job, timer, nowMs), stage: timer.stage }
}
