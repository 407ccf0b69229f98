import type { Outcome } from '../../protocol/core/job.ts'
import type { AttemptResult } from '../execute/attempt.ts'
import type { EndBody } from './ending.ts'
import type { Lesson } from './rests.ts'

export type Interrupted = Extract<AttemptResult, { kind: 'interrupted' }>

/** How an attempt ended, with what its log adds to the outcome. */
export type Ended =
  | Interrupted
  | { readonly kind: 'outcome'; readonly outcome: Outcome; readonly left: Error | undefined }

export interface EndingLease {
  readonly epoch: number
  readonly claimId: string
  /** Set where a process before this one had told the steps to end: their exit is its doing. */
  readonly told?: string | undefined
}

/** A cancel that reached the holder while the attempt ran. */
export interface SeenCancel {
  readonly reason: string
  readonly durationMs: number
}

/** What is proposed for the register; an outcome that was reached counts more than a cancel. */
export function endingOf(
  ended: Ended,
  lease: EndingLease,
  cancel: SeenCancel | undefined
): EndBody {
  const { epoch, claimId } = lease
  const isOwn = ended.kind === 'outcome' && lease.told === undefined
  if (isOwn) return { kind: 'complete', epoch, claimId, outcome: ended.outcome }
  if (cancel !== undefined) {
    return { kind: 'complete', epoch, claimId, outcome: cancelOutcome(epoch, cancel) }
  }
  // The cancel that the steps were told of is in the register, and ends the job.
  if (ended.kind === 'outcome') {
    return { kind: 'release', epoch, claimId, reason: 'agent_lost', userCodeRan: true }
  }
  const { reason, userCodeRan } = ended
  return { kind: 'release', epoch, claimId, reason, userCodeRan }
}

/** What the attempt shows of this host. */
export function lessonOf(ended: Ended): Lesson {
  if (ended.kind === 'outcome') return { kind: 'ran' }
  const { fault, message, userCodeRan } = ended
  if (fault !== undefined) return { kind: 'failed', fault, message }
  return { kind: userCodeRan ? 'ran' : 'nothing' }
}

function cancelOutcome(epoch: number, { reason, durationMs }: SeenCancel): Outcome {
  return {
    epoch,
    state: 'cancelled',
    reason: 'cancelled',
    exitCode: undefined,
    message: `cancelled: ${reason}`,
    steps: [],
    durationMs: Math.max(0, durationMs),
    logDigest: '',
    logLines: 0
  }
}
