import { CANCEL_GRACE_MS_MAX } from './follow-limits.ts'
import { RETRIES_MAX } from './graph-limits.ts'
import type { HistoryEntry, JobOp, JobOpBody, JobState, Lease, Outcome, Reason } from './job.ts'
import { isTerminal } from './job.ts'
import { adoptionsOf } from './lease-timer.ts'
import { ATTEMPTS_MAX, HISTORY_ENTRIES_MAX, LAST_OPS_MAX } from './limits.ts'
import { mayHarmHosts } from './losses.ts'
import type { Digest } from './ports.ts'
import { isTriedAgain } from './retries.ts'

export type RejectReason =
  /** The register is empty, and the op does not create it. */
  | 'absent'
  | 'terminal'
  /** No reducer says this: a quorum of witnesses has dropped the register (4.10). */
  | 'gone'
  /** It lives on under another witness epoch; the value says which. */
  | 'moved'
  | 'not_leased'
  | 'not_holder'
  | 'stale_epoch'
  /** The lease is another process's of the same holder. */
  | 'stale_boot'
  /** The claim's id was that of an earlier claim. */
  | 'claim_used'
  | 'attempts_exhausted'
  /** Lost on two hosts already: a third one is not risked. */
  | 'quarantined'
  /** An `error` whose reason the job's state does not bear out. */
  | 'not_allowed'
  | 'invalid'

/** What one op does to a register's value; `same` when it is already in it. */
export type Reduction<State> =
  | { readonly kind: 'next'; readonly value: State }
  | { readonly kind: 'same' }
  | { readonly kind: 'reject'; readonly reason: RejectReason }

type Body<Kind extends JobOpBody['kind']> = Extract<JobOpBody, { readonly kind: Kind }>

/** What an op changes; version, prevHash, lastOps and op follow by themselves. */
type Change = Partial<
  Pick<
    JobState,
    | 'phase'
    | 'epoch'
    | 'attempts'
    | 'retries'
    | 'lease'
    | 'cancel'
    | 'outcome'
    | 'history'
    | 'moved'
  >
>

type Verdict = Change | 'same' | RejectReason

/** Reasons for which a job that was never claimed may be ended by whoever finds them. */
const ERRORS_OF_QUEUED: readonly Reason[] = [
  'never_matched',
  'policy_refused',
  'image_unavailable',
  'source_unavailable'
]

/** The rules of a job's register (lease-protocol 4.2, 4.12): total, pure, the same everywhere. */
export function reduceJob(
  prev: JobState | undefined,
  register: string,
  op: JobOp,
  digest: Digest
): Reduction<JobState> {
  if (prev === undefined) return createJob(register, op)
  if (prev.register !== register) return { kind: 'reject', reason: 'invalid' }
  // Without this a retry after a lost reply would be applied a second time.
  if (prev.lastOps.some((seen) => seen.opId === op.opId && seen.actor === op.actor)) {
    return { kind: 'same' }
  }
  const verdict = judge(prev, op)
  if (verdict === 'same') return { kind: 'same' }
  if (typeof verdict === 'string') return { kind: 'reject', reason: verdict }
  return { kind: 'next', value: advance(prev, op, verdict, digest) }
}

function createJob(register: string, op: JobOp): Reduction<JobState> {
  const { body } = op
  if (body.kind !== 'create') return { kind: 'reject', reason: 'absent' }
  const { attemptsMax, retriesMax = 0 } = body
  if (!inRange(attemptsMax, 1, ATTEMPTS_MAX) || !inRange(retriesMax, 0, RETRIES_MAX)) {
    return { kind: 'reject', reason: 'invalid' }
  }
  const value: JobState = {
    kind: 'job',
    register,
    version: 1,
    prevHash: '',
    annHash: body.annHash,
    phase: 'queued',
    epoch: 0,
    attempts: 0,
    attemptsMax,
    ...(retriesMax === 0 ? {} : { retriesMax }),
    lease: undefined,
    cancel: undefined,
    outcome: undefined,
    history: [],
    lastOps: [{ opId: op.opId, actor: op.actor }],
    op
  }
  return { kind: 'next', value }
}

function judge(prev: JobState, op: JobOp): Verdict {
  // A create on an existing register is `same` whatever its content (4.12.7).
  if (op.body.kind === 'create') return 'same'
  if (prev.phase === 'moved') return 'moved'
  if (isTerminal(prev.phase)) return 'terminal'
  switch (op.body.kind) {
    case 'claim':
      return claim(prev, op, op.body)
    case 'complete':
      return complete(prev, op, op.body)
    case 'release':
      return release(prev, op, op.body)
    case 'adopt':
      return adopt(prev, op, op.body)
    case 'reaffirm':
      return reaffirm(prev, op, op.body)
    case 'cancel':
      return cancel(prev, op, op.body)
    case 'error':
      return fail(prev, op.body)
    case 'skip':
      // Claimed, its own code may have run: to be ended by a cancel, and shown as that.
      return prev.phase === 'queued' ? { phase: 'skipped' } : 'not_allowed'
    case 'move':
      return move(op.body)
    default:
      return op.body satisfies never
  }
}

function claim(prev: JobState, op: JobOp, body: Body<'claim'>): Verdict {
  if (!Number.isSafeInteger(body.leaseMs) || body.leaseMs < 1) return 'invalid'
  const lease: Lease = {
    holder: op.actor,
    claimId: body.claimId,
    boot: body.boot,
    leaseMs: body.leaseMs
  }
  if (prev.lease !== undefined && sameLease(prev.lease, lease)) return 'same'
  // A claim id names one lease for ever: else an old signed claim could be played again.
  const used = [prev.lease, ...prev.history].some((ended) => ended?.claimId === body.claimId)
  if (used) return 'claim_used'
  const history = withExpired(prev)
  if (prev.cancel !== undefined) return cancelled(prev, prev.cancel, history)
  if (prev.attempts >= prev.attemptsMax) return 'attempts_exhausted'
  // A job that ends whatever host it is on must not go through the whole mesh.
  if (mayHarmHosts(history)) return 'quarantined'
  return { phase: 'leased', epoch: prev.epoch + 1, attempts: prev.attempts + 1, lease, history }
}

function complete(prev: JobState, op: JobOp, body: Body<'complete'>): Verdict {
  const lease = heldLease(prev, op, body)
  if (typeof lease === 'string') return lease
  if (body.outcome.epoch !== body.epoch) return 'invalid'
  const history = withEntry(prev, endedByHolder(prev.epoch, lease, 'completed', op))
  if (!isTriedAgain(prev, body.outcome)) {
    return { phase: body.outcome.state, lease: undefined, outcome: body.outcome, history }
  }
  // A failure is no loss: counted among those, three failed tests would blame the hosts.
  const attempts = Math.max(0, prev.attempts - 1)
  const retries = (prev.retries ?? 0) + 1
  return { phase: 'queued', lease: undefined, attempts, retries, history }
}

function release(prev: JobState, op: JobOp, body: Body<'release'>): Verdict {
  const lease = heldLease(prev, op, body)
  if (typeof lease === 'string') return lease
  const history = withEntry(prev, endedByHolder(prev.epoch, lease, 'released', op))
  if (prev.cancel !== undefined) return cancelled(prev, prev.cancel, history)
  // Nothing of the job's own ran: a host that cannot start it must not use its attempts up
  // (4.12.15).
  const attempts = body.userCodeRan ? prev.attempts : Math.max(0, prev.attempts - 1)
  return { phase: 'queued', lease: undefined, attempts, history }
}

/** The holder's process is another one now; the attempt, its container and its epoch are not. */
function adopt(prev: JobState, op: JobOp, body: Body<'adopt'>): Verdict {
  const lease = heldLease(prev, op, body)
  if (typeof lease === 'string') return lease
  if (lease.boot === body.boot) return 'same'
  const { boot, number } = body
  // Each number once: the signed adoption of a process that died would else take the lease back.
  if (number !== adoptionsOf(lease) + 1) return 'stale_boot'
  return { lease: { ...lease, boot, adoption: { number, opId: op.opId, sig: op.sig } } }
}

function reaffirm(prev: JobState, op: JobOp, body: Body<'reaffirm'>): Verdict {
  const lease = heldLease(prev, op, body)
  if (typeof lease === 'string') return lease
  return lease.boot === body.boot ? {} : 'stale_boot'
}

function cancel(prev: JobState, op: JobOp, body: Body<'cancel'>): Verdict {
  if (prev.cancel !== undefined) return 'same'
  const { reason, graceMs } = body
  if (graceMs !== undefined && !inRange(graceMs, 1, CANCEL_GRACE_MS_MAX)) return 'invalid'
  const flag = { by: op.actor, reason, ...(graceMs === undefined ? {} : { graceMs }) }
  // A leased job only gets the flag: its container must end before anyone may call it over.
  return prev.phase === 'leased' ? { cancel: flag } : cancelled(prev, flag, prev.history)
}

/** The lease stays: its holder goes on at the new witnesses, and nobody may take it here. */
function move({ witnessEpoch }: Body<'move'>): Verdict {
  if (!Number.isSafeInteger(witnessEpoch) || witnessEpoch < 1) return 'invalid'
  return { phase: 'moved', moved: { witnessEpoch } }
}

function fail(prev: JobState, body: Body<'error'>): Verdict {
  const history = withExpired(prev)
  if (prev.cancel !== undefined) return cancelled(prev, prev.cancel, history)
  if (!errorAllowed(prev, history, body.reason)) return 'not_allowed'
  return {
    phase: 'errored',
    lease: undefined,
    outcome: outcomeOf(prev.epoch, 'errored', body.reason, body.message),
    history
  }
}

function errorAllowed(prev: JobState, history: readonly HistoryEntry[], reason: Reason): boolean {
  if (prev.attempts >= prev.attemptsMax && reason === 'agent_lost') return true
  if (reason === 'quarantined') return mayHarmHosts(history)
  return prev.phase === 'queued' && ERRORS_OF_QUEUED.includes(reason)
}

function cancelled(
  prev: JobState,
  flag: NonNullable<JobState['cancel']>,
  history: readonly HistoryEntry[]
): Change {
  const outcome = outcomeOf(prev.epoch, 'cancelled', 'cancelled', flag.reason)
  return { phase: 'cancelled', lease: undefined, cancel: flag, outcome, history }
}

function outcomeOf(
  epoch: number,
  state: Outcome['state'],
  reason: Reason,
  message: string
): Outcome {
  return {
    epoch,
    state,
    reason,
    exitCode: undefined,
    message,
    steps: [],
    durationMs: 0,
    logDigest: '',
    logLines: 0
  }
}

function heldLease(
  prev: JobState,
  op: JobOp,
  end: { readonly epoch: number; readonly claimId: string }
): Lease | RejectReason {
  if (end.epoch !== prev.epoch) return 'stale_epoch'
  if (prev.lease === undefined) return 'not_leased'
  if (op.actor !== prev.lease.holder || end.claimId !== prev.lease.claimId) return 'not_holder'
  return prev.lease
}

function sameLease(a: Lease, b: Lease): boolean {
  return a.holder === b.holder && a.claimId === b.claimId && a.boot === b.boot
}

function withExpired(prev: JobState): readonly HistoryEntry[] {
  if (prev.lease === undefined) return prev.history
  const { holder, claimId } = prev.lease
  const entry = { epoch: prev.epoch, holder, claimId, opId: '', argsHash: '', sig: '' }
  return withEntry(prev, { ...entry, end: 'expired' })
}

function endedByHolder(
  epoch: number,
  lease: Lease,
  end: 'released' | 'completed',
  op: JobOp
): HistoryEntry {
  const { opId, argsHash, sig } = op
  return { epoch, holder: lease.holder, claimId: lease.claimId, end, opId, argsHash, sig }
}

function withEntry(prev: JobState, entry: HistoryEntry): readonly HistoryEntry[] {
  return [...prev.history, entry].slice(-HISTORY_ENTRIES_MAX)
}

function inRange(value: number, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && value >= least && value <= most
}

function advance(prev: JobState, op: JobOp, change: Change, digest: Digest): JobState {
  return {
    ...prev,
    ...change,
    version: prev.version + 1,
    prevHash: digest.hash(prev),
    lastOps: [...prev.lastOps, { opId: op.opId, actor: op.actor }].slice(-LAST_OPS_MAX),
    op
  }
}
