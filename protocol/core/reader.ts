import type { Ballot } from './ballot.ts'
import { compareBallots, NO_BALLOT } from './ballot.ts'
import { heldJob, sameClaim, takeOverMsOf } from './lease-timer.ts'
import type { Accepted, RegisterReply, RegisterValue, Stage } from './messages.ts'
import type { Digest } from './ports.ts'

export type ValueReply = Extract<RegisterReply, { readonly kind: 'value' }>

/** What the answers of some witnesses say of a register. */
export type ReadJudgement =
  /** Fewer than a quorum have answered. */
  | { readonly kind: 'waiting' }
  /** A quorum holds the same: `accepted` undefined means that the register is empty. */
  | (ReadFacts & { readonly kind: 'chosen'; readonly value: RegisterValue | undefined })
  /** No quorum agrees: write `base` back (a change without an op) to make the answer definite. */
  | (ReadFacts & { readonly kind: 'unsettled'; readonly base: RegisterValue | undefined })

export interface ReadFacts {
  /** The accept of the value, to push to those that lag (4.12.17). */
  readonly accepted: Accepted | undefined
  /** Peers whose answer is older. */
  readonly lagging: readonly string[]
  /** Peers that have shown the accept; of all others it is not known. */
  readonly level: readonly string[]
  /** Milliseconds until a quorum may let another claim in; 0 where nothing is leased. */
  readonly leaseRemainingMs: number
  readonly stage: Stage | undefined
  readonly highestRound: number
  /** Two values under one ballot: its proposer is to be evicted. */
  readonly equivocation: readonly [Accepted, Accepted] | undefined
}

/** Judges a read without a prepare (lease-protocol 4.6): one round trip, no write. */
export function judgeRead(
  replies: ReadonlyMap<string, ValueReply>,
  quorum: number,
  digest: Digest
): ReadJudgement {
  if (replies.size < quorum) return { kind: 'waiting' }
  const answers = [...replies]
  const top = newestAccepted(answers, digest)
  const same = answers.filter(([, { accepted }]) => isSame(accepted, top, digest))
  const level = answers.filter(([, { accepted }]) => isLevel(accepted, top))
  const newest = newestLease(same.map(([, reply]) => reply))
  const facts: ReadFacts = {
    accepted: top,
    lagging: answers.filter(([, { accepted }]) => !isLevel(accepted, top)).map(([peer]) => peer),
    level: level.map(([peer]) => peer),
    leaseRemainingMs: quorumRemainingMs(
      top?.value,
      answers.map(([, reply]) => reply),
      quorum
    ),
    stage: newest?.stage,
    highestRound: Math.max(...answers.map(([, reply]) => roundOf(reply))),
    equivocation: twoOf(
      top,
      level.find(([, { accepted }]) => !isSame(accepted, top, digest))
    )
  }
  return same.length >= quorum
    ? { kind: 'chosen', value: top?.value, ...facts }
    : { kind: 'unsettled', base: top?.value, ...facts }
}

/** True for an answer that lacks a value which others have shown as chosen. */
export function lacks(reply: RegisterReply | undefined, chosen: Accepted): boolean {
  if (reply?.kind !== 'value') return false
  return compareBallots(ballotOf(reply.accepted), chosen.ballot) < 0
}

/** What one witness says of a register's lease, in a promise or in a read. */
export type LeaseAnswer = Pick<ValueReply, 'accepted' | 'lease'>

/**
 * Milliseconds until a quorum's timers for the lease in `value` are over, by the answers at hand; 0
 * where nothing is leased. A witness that has not accepted this lease has not waited for it at all:
 * were it counted as over, a claim still on its way to its quorum would be taken for a dead one,
 * and the job would lose an attempt that nobody ever ran.
 */
export function quorumRemainingMs(
  value: RegisterValue | undefined,
  answers: readonly LeaseAnswer[],
  quorum: number
): number {
  const job = heldJob(value)
  if (job === undefined) return 0
  const remaining = answers
    .map(({ accepted, lease }) => {
      const waits = sameClaim(accepted?.value, job) && lease !== undefined
      return waits ? lease.remainingMs : takeOverMsOf(job.lease.leaseMs)
    })
    .sort((a, b) => a - b)
  return remaining[quorum - 1] ?? Number.POSITIVE_INFINITY
}

// Of two values under one ballot, which only a false proposer makes, the one that more witnesses
// hold.
function newestAccepted(
  answers: readonly (readonly [string, ValueReply])[],
  digest: Digest
): Accepted | undefined {
  const all = answers.map(([, { accepted }]) => accepted)
  const holders = (one: Accepted | undefined) => all.filter((b) => isSame(one, b, digest)).length
  return all.reduce((a, b) => {
    const order = compareBallots(ballotOf(b), ballotOf(a))
    return order > 0 || (order === 0 && holders(b) > holders(a)) ? b : a
  }, undefined)
}

function twoOf(
  top: Accepted | undefined,
  other: readonly [string, ValueReply] | undefined
): readonly [Accepted, Accepted] | undefined {
  const accepted = other?.[1].accepted
  return top === undefined || accepted === undefined ? undefined : [top, accepted]
}

function ballotOf(accepted: Accepted | undefined): Ballot {
  return accepted?.ballot ?? NO_BALLOT
}

function isLevel(a: Accepted | undefined, b: Accepted | undefined): boolean {
  return compareBallots(ballotOf(a), ballotOf(b)) === 0
}

function isSame(a: Accepted | undefined, b: Accepted | undefined, digest: Digest): boolean {
  if (a === undefined || b === undefined) return a === b
  return isLevel(a, b) && digest.hash(a.value) === digest.hash(b.value)
}

function roundOf({ promised, accepted }: ValueReply): number {
  return Math.max(promised.round, ballotOf(accepted).round)
}

function newestLease(replies: readonly ValueReply[]): ValueReply['lease'] {
  return replies
    .map(({ lease }) => lease)
    .reduce((a, b) => ((b?.remainingMs ?? -1) > (a?.remainingMs ?? -1) ? b : a), undefined)
}
