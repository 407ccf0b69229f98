import { decideRecovery, type KeptAttempt } from '../../protocol/core/recovery.ts'
import type {
  AttemptProgress,
  AttemptRecord,
  AttemptStore
} from '../../protocol/store/attempt-store.ts'
import type { Survivor } from '../execute/survivors.ts'
import { type EndBody, type EndingParts, endLease } from './ending.ts'
import type { AttemptRunner } from './holder-parts.ts'

export interface SettlingParts extends EndingParts {
  readonly attempts: AttemptStore
}

export interface RecoveryParts extends SettlingParts {
  readonly executor: Pick<AttemptRunner, 'reap' | 'clear' | 'survivors'>
}

/** An attempt of a process before this one whose container runs on, and may be adopted. */
export interface Candidate {
  readonly record: AttemptRecord
  readonly progress: AttemptProgress
  readonly container: Survivor
}

/**
 * Settles what a process before this one left behind. First every container of this agent that no
 * quorum could let live on is removed, whatever state it is in: a `start` of the dead process may
 * still be in flight, and a lease given back before that would run twice (4.12.8). Gives those that
 * run and may be adopted. Rejects with SANDBOX_FAILED where a container cannot be removed: nothing
 * may be claimed then.
 */
export async function removeLeftovers(parts: RecoveryParts): Promise<readonly Candidate[]> {
  const { executor, attempts, registers, clock, log } = parts
  const [records, survivors] = await Promise.all([attempts.all(), executor.survivors()])
  const candidates = records.flatMap((record): Candidate[] => {
    const container = survivors.find(({ claimId }) => claimId === record.claimId)
    const { progress } = record
    if (container === undefined || progress === undefined) return []
    const register = { kind: 'unread' } as const
    const sight = { me: registers.peerId, record: keptOf(record), container, register }
    const step = decideRecovery({ ...sight, nowMs: clock.bootMs() })
    return step.kind === 'read' ? [{ record, progress, container }] : []
  })
  const kept = new Set(candidates.map(({ record }) => record.claimId))
  const removed = await executor.reap(async () => kept)
  if (removed.length > 0) log.warn({ removed }, 'leftovers removed')
  return candidates
}

/**
 * Resolves once every record but those of `candidates` is settled, which needs a quorum and the
 * runs' announcements; at `signal` the rest is left to the next boot.
 */
export async function settleRecords(
  parts: RecoveryParts,
  candidates: readonly Candidate[],
  signal: AbortSignal
): Promise<void> {
  const open = new Set(candidates.map(({ record }) => record.claimId))
  const records = (await parts.attempts.all()).filter(({ claimId }) => !open.has(claimId))
  await Promise.all(records.map((record) => settleRecord(parts, record, signal)))
}

/** Its container must be gone. */
export async function settleRecord(
  parts: SettlingParts,
  record: AttemptRecord,
  signal: AbortSignal
): Promise<void> {
  const body = endingOf(record)
  const change = await endLease(parts, record.register, body, signal, record.startedAtMs)
  if (change === undefined) return
  await parts.attempts.remove(record.register)
  const facts = { job: record.register, epoch: record.epoch, end: body.kind }
  parts.log.info({ ...facts, answer: change.kind }, 'attempt settled late')
}

/** What of a record decides about its container. */
export function keptOf(record: AttemptRecord): KeptAttempt {
  const { epoch, claimId, phase, outcome, progress, told } = record
  const concluded = phase === 'exited' && outcome !== undefined
  // A cancelled one has its grace anew; of the others nothing would come that counts.
  const isWanted = told === undefined || told === 'cancelled'
  const resumable = phase === 'running' && progress !== undefined && isWanted
  return { epoch, claimId, concluded, resumable }
}

function endingOf(record: AttemptRecord): EndBody {
  const { epoch, claimId, outcome } = record
  if (record.phase === 'exited' && outcome !== undefined) {
    return { kind: 'complete', epoch, claimId, outcome }
  }
  const { userCodeRan } = record
  return { kind: 'release', epoch, claimId, reason: 'agent_lost', userCodeRan }
}
