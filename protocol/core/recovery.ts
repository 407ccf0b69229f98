import { isTerminal, type JobState } from './job.ts'

/** What an agent kept of an attempt before its process died. */
export interface KeptAttempt {
  readonly epoch: number
  readonly claimId: string
  /** It had come to an outcome, and that is on the disk: nothing else is ever told. */
  readonly concluded: boolean
  /**
   * A step had begun, what is needed to go on from it is on the disk, and nothing but a cancel has
   * told it to end.
   */
  readonly resumable: boolean
}

/** A container of this agent, told by its labels. */
export interface FoundContainer {
  readonly epoch: number
  readonly claimId: string
  readonly state: 'created' | 'running' | 'exited'
  /** Boot milliseconds at which its guard ends it; undefined where no deadline can be read. */
  readonly deadlineMs: number | undefined
}

/** What a quorum said of the job's register: not asked yet, no answer, or the chosen state. */
export type RegisterSight =
  | { readonly kind: 'unread' }
  | { readonly kind: 'unreachable' }
  | { readonly kind: 'chosen'; readonly state: JobState | undefined }

/** One attempt of an earlier process, or what is left of it; at least one of the two is there. */
export interface RecoverySight {
  readonly me: string
  readonly record: KeptAttempt | undefined
  readonly container: FoundContainer | undefined
  readonly register: RegisterSight
  /** Boot clock of this host. */
  readonly nowMs: number
}

export type RecoveryStep =
  /** Read the register, then decide again. */
  | { readonly kind: 'read' }
  /** Nobody can tell: the container is left alone, and the register is read again. */
  | { readonly kind: 'wait'; readonly untilMs: number }
  /** Propose `adopt` for this lease; once that is chosen the attempt goes on. */
  | { readonly kind: 'adopt'; readonly epoch: number; readonly claimId: string }
  /** The container, if there is one, confirmed gone; only then the end of the lease. */
  | { readonly kind: 'end'; readonly end: 'complete' | 'release' | 'none' }

/**
 * What a restarted agent does about an attempt of the process before it (lease-protocol 4.7, 4.12).
 *
 * Safe: a container lives on only under the lease that it was made for, and only until its own
 * deadline. What is not adopted is confirmed gone before anything is said of its lease, since a
 * `start` of the dead process may still be in flight (4.12.8). A container's own end is never an
 * outcome: its process 1 is our guard (4.12.9).
 */
export function decideRecovery(sight: RecoverySight): RecoveryStep {
  const { record, container, register, nowMs } = sight
  // Records are synced before a container is made and go with the end of its lease: without one
  // the lease is over.
  if (record === undefined) return { kind: 'end', end: 'none' }
  if (record.concluded) return { kind: 'end', end: 'complete' }
  const lost: RecoveryStep = { kind: 'end', end: 'release' }
  if (container === undefined || !isOf(container, record)) return lost
  if (container.state !== 'running' || !record.resumable) return lost
  // Its guard has ended it, or is about to: a lease that is extended now would revive nothing.
  if (container.deadlineMs === undefined || nowMs >= container.deadlineMs) return lost
  if (register.kind === 'unread') return { kind: 'read' }
  // It may be ours still. Killed now, a mesh that is away for seconds would cost the attempt.
  if (register.kind === 'unreachable') return { kind: 'wait', untilMs: container.deadlineMs }
  if (!isMine(sight.me, record, register.state)) return lost
  return { kind: 'adopt', epoch: record.epoch, claimId: record.claimId }
}

/** A container of an earlier claim of the same job must never go on under a later one's lease. */
function isOf(container: FoundContainer, record: KeptAttempt): boolean {
  return container.epoch === record.epoch && container.claimId === record.claimId
}

function isMine(me: string, record: KeptAttempt, state: JobState | undefined): boolean {
  if (state === undefined || isTerminal(state.phase) || state.lease === undefined) return false
  const { holder, claimId } = state.lease
  return holder === me && claimId === record.claimId && state.epoch === record.epoch
}
