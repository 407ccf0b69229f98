import { backoffMs } from '../core/backoff.ts'
import type { BoardJob } from '../core/board-job.ts'
import { MeshError } from '../core/errors.ts'
import { CANCEL_MS_MAX } from '../core/follow-limits.ts'
import { type CancelTerms, isTerminal, type JobOpBody, type JobState } from '../core/job.ts'
import type { Clock, Random } from '../core/ports.ts'
import { runIdOf } from '../core/run.ts'

/** `requested`: its holder was told to stop it; it may still finish before it hears of that. */
export type CancelVerdict = 'cancelled' | 'requested'

/** What became of the change, as the register's client says it. */
export interface CancelAnswer {
  readonly kind: 'applied' | 'same' | 'rejected' | 'busy' | 'unresolved'
  readonly reason?: string
  readonly answered?: number
  readonly value: JobState | undefined
}

export interface CancelParts {
  readonly clock: Clock
  readonly random: Random
  changeJob(
    jobId: string,
    opId: string,
    body: JobOpBody,
    options: { readonly signal: AbortSignal }
  ): Promise<CancelAnswer>
  hint(jobId: string): Promise<void>
  health(): { readonly w: number; readonly quorum: number }
}

/**
 * Cancels a job by its register: a queued one is over with that, a held one is flagged, and its
 * holder ends it; `graceMs` is 1 to CANCEL_GRACE_MS_MAX. Rejects with JOB_ENDED, RUN_UNKNOWN,
 * RUN_SUPERSEDED, OVERLOADED, or QUORUM_UNREACHABLE after CANCEL_MS_MAX: the order may then still
 * be taken.
 */
export async function cancelJob(
  parts: CancelParts,
  job: BoardJob,
  terms: CancelTerms
): Promise<CancelVerdict> {
  const { jobId: id, state } = job
  if (state !== undefined && isTerminal(state.phase)) {
    throw new MeshError('JOB_ENDED', { id, state: state.phase })
  }
  const answer = await settle(parts, id, { kind: 'cancel', ...terms })
  // Without the hint the others learn it by anti-entropy: later, not differently.
  parts.hint(id).catch(() => undefined)
  // Gone, it ended so long ago that its witnesses keep it no more.
  const hasEnded = answer.reason === 'terminal' || answer.reason === 'gone'
  // Its witness epoch was given up: there is nothing that an order could change there any more.
  if (answer.kind === 'rejected' && answer.reason === 'absent') {
    throw new MeshError('RUN_SUPERSEDED', { id: runIdOf(id), witnessEpoch: job.witnessEpoch })
  }
  if (answer.kind === 'rejected' && !hasEnded) {
    throw new MeshError('BUG', { problem: `the cancel of ${id} was rejected: ${answer.reason}` })
  }
  const phase = answer.value?.phase ?? 'ended'
  if (phase === 'leased') return 'requested'
  if (phase === 'cancelled' && answer.kind !== 'rejected') return 'cancelled'
  throw new MeshError('JOB_ENDED', { id, state: phase })
}

/** One order under one id until its answer is definite: it is never applied twice. */
async function settle(
  parts: CancelParts,
  jobId: string,
  body: Extract<JobOpBody, { kind: 'cancel' }>
): Promise<CancelAnswer> {
  const { clock, random } = parts
  const opId = random.id(16)
  const limit = new AbortController()
  const disarm = clock.arm(CANCEL_MS_MAX, () => limit.abort())
  let answered = 0
  try {
    for (let attempt = 0; !limit.signal.aborted; attempt++) {
      const answer = await parts.changeJob(jobId, opId, body, { signal: limit.signal })
      if (answer.kind !== 'unresolved' && answer.kind !== 'busy') return answer
      answered = answer.answered ?? 0
      await paused(clock, backoffMs(attempt, random.next()), limit.signal)
    }
  } catch (error) {
    if (!limit.signal.aborted) throw error
  } finally {
    disarm()
  }
  const { w: witnesses, quorum } = parts.health()
  throw new MeshError('QUORUM_UNREACHABLE', { answered, witnesses, quorum })
}

function paused(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      disarm()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const disarm = clock.arm(ms, done)
    signal.addEventListener('abort', done, { once: true })
  })
}
