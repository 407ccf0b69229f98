import type { OutcomeState, Reason } from '../../protocol/core/job.ts'
import type { LossReason } from '../../protocol/core/lease.ts'
import type { EndBody } from './ending.ts'
import type { RenewOutcome } from './ports.ts'

/** What happens to claims and leases here, told to whoever counts. */
export type ClaimEvent =
  /** A claim was proposed; `unresolved` where this process ended first. */
  | { readonly kind: 'claimed'; readonly result: 'won' | 'lost' | 'unresolved' }
  /** One round of renewals of one lease; `short`: fewer witnesses than a quorum said yes. */
  | { readonly kind: 'renewed'; readonly result: 'renewed' | 'short' | 'failed' }
  /** No renewal came through for so long that the steps were stopped. */
  | { readonly kind: 'overdue' }
  | { readonly kind: 'lost'; readonly reason: LossReason }
  | { readonly kind: 'ended'; readonly state: OutcomeState; readonly reason: Reason }
  | { readonly kind: 'released'; readonly reason: Reason }

/** For whoever counts. */
export function endEventOf(body: EndBody): ClaimEvent {
  if (body.kind === 'release') return { kind: 'released', reason: body.reason }
  const { state, reason } = body.outcome
  return { kind: 'ended', state, reason }
}

/** Likewise, of one round of renewals; undefined where it failed as a whole. */
export function renewalEventOf(outcome: RenewOutcome | undefined): ClaimEvent {
  if (outcome === undefined) return { kind: 'renewed', result: 'failed' }
  return { kind: 'renewed', result: outcome.oks >= outcome.quorum ? 'renewed' : 'short' }
}
