import type { Ballot } from './ballot.ts'
import { leasedJob } from './lease-timer.ts'
import type { Accepted } from './messages.ts'

/**
 * A quorum's promise of `ballot`, given together with its accept of `accepted` (ADR 16). Good for
 * one change: its ballot must never carry two values.
 */
export interface Carried {
  readonly ballot: Ballot
  readonly accepted: Accepted
}

/**
 * The ballot that an accept of `value` under `ballot` promises besides, where the holder proposes
 * its own lease: its next op then needs no prepare. Undefined for anybody else, whose promise would
 * only stand in the way of the holder's.
 */
export function carriedBallot({
  ballot,
  value
}: Pick<Accepted, 'ballot' | 'value'>): Ballot | undefined {
  const holder = leasedJob(value)?.lease.holder
  const round = ballot.round + 1
  if (holder !== ballot.peer || !Number.isSafeInteger(round)) return
  return { ...ballot, round }
}
