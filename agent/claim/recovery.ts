import type { AttemptRecord, AttemptStore } from '../../protocol/store/attempt-store.ts'
import { type EndBody, type EndingParts, endLease } from './ending.ts'
import type { AttemptRunner } from './holder.ts'

export interface SettlingParts extends EndingParts {
  readonly attempts: AttemptStore
}

export interface RecoveryParts extends SettlingParts {
  readonly executor: Pick<AttemptRunner, 'reap'>
}

/**
 * Settles what a process before this one left behind. First every container of this agent is
 * removed, whatever state it is in: a `start` of the dead process may still be in flight, and a
 * lease given back before that would run twice (4.12.8). Only then is each recorded attempt
 * completed with the outcome it had reached, or its lease released.
 * Rejects with SANDBOX_FAILED where a container cannot be removed: nothing may be claimed then.
 */
export async function removeLeftovers(parts: RecoveryParts): Promise<void> {
  const removed = await parts.executor.reap(async () => new Set())
  if (removed.length > 0) parts.log.warn({ removed }, 'leftovers removed')
}

/**
 * Resolves once every record is settled, which needs a quorum and the runs' announcements; at
 * `signal` the rest is left to the next boot.
 */
export async function settleRecords(parts: RecoveryParts, signal: AbortSignal): Promise<void> {
  const records = await parts.attempts.all()
  await Promise.all(records.map((record) => settleRecord(parts, record, signal)))
}

/** Its container must be gone. */
export async function settleRecord(
  parts: SettlingParts,
  record: AttemptRecord,
  signal: AbortSignal
): Promise<void> {
  const body = endingOf(record)
  const change = await endLease(parts, record.register, body, signal)
  if (change === undefined) return
  await parts.attempts.remove(record.register)
  const facts = { job: record.register, epoch: record.epoch, end: body.kind }
  parts.log.info({ ...facts, answer: change.kind }, 'attempt settled late')
}

function endingOf(record: AttemptRecord): EndBody {
  const { epoch, claimId, outcome } = record
  if (record.phase === 'exited' && outcome !== undefined) {
    return { kind: 'complete', epoch, claimId, outcome }
  }
  const { userCodeRan } = record
  return { kind: 'release', epoch, claimId, reason: 'agent_lost', userCodeRan }
}
