import type { Ballot } from './ballot.ts'
import { compareBallots, NO_BALLOT } from './ballot.ts'
import type { ChangeRequest, ChangeVerdict } from './change.ts'
import type { Reduction, RejectReason } from './job-reducer.ts'
import type { Accepted, RegisterValue } from './messages.ts'
import type { Digest } from './ports.ts'
import type { LeaseAnswer, ValueReply } from './reader.ts'
import { judgeRead, quorumRemainingMs } from './reader.ts'
import { reduce } from './register-reducer.ts'
import type { ReplyOf } from './tally.ts'
import { quorumOf } from './witnesses.ts'

/** What an accept, once chosen, says of the op. */
export type Answer =
  | { readonly kind: 'applied' }
  | { readonly kind: 'same' }
  | { readonly kind: 'rejected'; readonly reason: RejectReason }
  | { readonly kind: 'busy'; readonly retryInMs: number }

/** What a quorum of promises leads to: nothing to write, or this value to be accepted. */
export type Decision =
  | { readonly kind: 'nothing'; readonly reason: RejectReason }
  /** The lease lives, and is known to be chosen: nothing to write either. */
  | { readonly kind: 'held'; readonly retryInMs: number; readonly value: RegisterValue }
  | (Answer & { readonly value: RegisterValue })

interface Asked {
  readonly request: ChangeRequest
  readonly digest: Digest
  readonly sent: Ballot | undefined
}

/**
 * Phase 1 is over: the value of the highest ballot among all promises, and what the op makes of it.
 */
export function decidePromises(
  { request, digest }: Asked,
  promises: ReadonlyMap<string, ReplyOf<'promise'>>
): Decision {
  const answers = [...promises.values()]
  const top = highestAccepted(answers)
  const base = top?.value
  const reduction = reductionOf(request, base, digest)
  if (reduction.kind === 'next') {
    const retryInMs = busyMs(request, base, answers)
    // Do not poison: without this one witness whose timer alone ran out would accept the next
    // epoch, and a holder that a majority still renews would lose its job.
    if (base !== undefined && retryInMs > 0) {
      // A claim that no quorum is known to hold is written back: else its proposer, which these
      // promises have just stopped, and all who wait for it would wait for nothing.
      const kind = isHeldBy(top, answers, request) ? 'held' : 'busy'
      return { kind, retryInMs, value: base }
    }
    return { kind: 'applied', value: reduction.value }
  }
  if (base === undefined) {
    return { kind: 'nothing', reason: reduction.kind === 'reject' ? reduction.reason : 'absent' }
  }
  // A no to a value that is not known to be chosen is no answer: the value is written back first.
  if (reduction.kind === 'reject')
    return { kind: 'rejected', reason: reduction.reason, value: base }
  return { kind: 'same', value: base }
}

export interface ReadDecision {
  readonly verdict: ChangeVerdict
  readonly accepted: Accepted | undefined
  readonly lagging: readonly string[]
}

/** Before a retry: whether what a quorum holds already answers; undefined where a round must. */
export function decideRead(
  { request, digest, sent }: Asked,
  replies: ReadonlyMap<string, ValueReply>
): ReadDecision | undefined {
  const quorum = quorumOf(request.witnesses.length)
  const read = judgeRead(replies, quorum, digest)
  if (read.kind !== 'chosen') return
  const { value, accepted, lagging } = read
  const reduction = reductionOf(request, value, digest)
  if (reduction.kind === 'same' && value !== undefined) {
    return { verdict: { kind: 'same', value }, accepted, lagging }
  }
  // An accept of ours above what was read may be chosen any moment: a no would be too early.
  if (sent !== undefined && compareBallots(accepted?.ballot ?? NO_BALLOT, sent) < 0) return
  if (sent === undefined && request.ambiguous) return
  if (reduction.kind === 'reject') {
    return { verdict: { kind: 'rejected', reason: reduction.reason, value }, accepted, lagging }
  }
  const retryInMs = busyMs(request, value, [...replies.values()])
  if (value === undefined || retryInMs === 0) return
  return { verdict: { kind: 'busy', retryInMs, value }, accepted, lagging }
}

// A register that holds anything at all has begun: whatever it is, the landing is in its past.
function reductionOf(
  { register, op, landing, create }: ChangeRequest,
  base: RegisterValue | undefined,
  digest: Digest
): Reduction<RegisterValue> {
  if (landing !== undefined) {
    return base === undefined ? { kind: 'next', value: landing } : { kind: 'same' }
  }
  if (base !== undefined || create === undefined) return reduce(base, register, op, digest)
  const created = reduce(undefined, register, create, digest)
  // Its no says nothing of `op`, and no witness would take what comes of it.
  return created.kind === 'next' ? reduce(created.value, register, op, digest) : created
}

// Milliseconds to wait where the op would end a lease that too few of these witnesses see expired.
function busyMs(
  { op, witnesses }: ChangeRequest,
  base: RegisterValue | undefined,
  answers: readonly LeaseAnswer[]
): number {
  const kind = op?.body.kind
  if (kind !== 'claim' && kind !== 'error') return 0
  return quorumRemainingMs(base, answers, quorumOf(witnesses.length))
}

function isHeldBy(
  top: Accepted | undefined,
  answers: readonly LeaseAnswer[],
  { witnesses }: ChangeRequest
): boolean {
  const holders = answers.filter(({ accepted }) => {
    return compareBallots(accepted?.ballot ?? NO_BALLOT, top?.ballot ?? NO_BALLOT) === 0
  })
  return holders.length >= quorumOf(witnesses.length)
}

function highestAccepted(promises: readonly ReplyOf<'promise'>[]): Accepted | undefined {
  return promises
    .map(({ accepted }) => accepted)
    .reduce((a, b) => {
      return compareBallots(b?.ballot ?? NO_BALLOT, a?.ballot ?? NO_BALLOT) > 0 ? b : a
    }, undefined)
}
