import { RETRIES_MAX } from './graph-limits.ts'
import type {
  Adoption,
  CancelTerms,
  HistoryEntry,
  JobOpBody,
  JobPhase,
  JobState,
  Outcome
} from './job.ts'
import { isTerminal } from './job.ts'
import { ATTEMPTS_MAX, HISTORY_ENTRIES_MAX, LAST_OPS_MAX } from './limits.ts'
import { mayHarmHosts } from './losses.ts'
import type { RegisterValue } from './messages.ts'
import { registerKind } from './register-reducer.ts'
import { isTriedAgain } from './retries.ts'
import type { RunState } from './run.ts'

/**
 * What is wrong with a value, whatever came before it; undefined for every value that the reducers
 * can make. A witness that missed the value before cannot repeat the reduction: without these rules
 * a signed `cancel` could carry any phase at all.
 */
export function valueProblem(register: string, value: RegisterValue): string | undefined {
  if (value.register !== register || registerKind(register) !== value.kind) {
    return 'the value is of another register'
  }
  if (!isCount(value.version) || value.version < 1) return 'version'
  if ((value.version === 1) !== (value.prevHash === '')) return 'prevHash'
  return value.kind === 'run' ? runProblem(value) : jobProblem(value)
}

function runProblem(value: RunState): string | undefined {
  if (value.version !== 1) return 'version'
  const { body } = value.op
  if (body.kind === 'create') {
    if (value.phase !== 'run' || value.supersededBy !== undefined) return 'phase'
    return body.annHash === value.annHash ? undefined : 'annHash'
  }
  if (value.phase !== 'superseded' || value.annHash !== '') return 'phase'
  const { witnessEpoch } = body
  const fits = value.supersededBy === witnessEpoch && isCount(witnessEpoch) && witnessEpoch > 0
  return fits ? undefined : 'supersededBy'
}

function jobProblem(job: JobState): string | undefined {
  const checks: readonly (readonly [string, boolean])[] = [
    ['epoch', isCount(job.epoch) && (job.phase !== 'leased' || job.epoch > 0)],
    ['attemptsMax', isCount(job.attemptsMax) && inRange(job.attemptsMax, 1, ATTEMPTS_MAX)],
    ['attempts', isCount(job.attempts) && job.attempts <= job.attemptsMax],
    ['retries', retriesFit(job)],
    ['phase', PHASES.has(job.phase)],
    ['lease', job.phase === 'moved' || (job.phase === 'leased') === (job.lease !== undefined)],
    ['moved', (job.phase === 'moved') === (job.moved !== undefined)],
    // By another op it would lead anywhere: only of a move its target is looked at.
    ['moved', job.phase !== 'moved' || job.op.body.kind === 'move'],
    ['adoption', job.lease?.adoption === undefined || adoptionFits(job.lease.adoption)],
    ['outcome', hasOutcome(job.phase) === (job.outcome !== undefined)],
    ['outcome', job.outcome === undefined || outcomeFits(job)],
    ['history', historyFits(job)],
    ['lastOps', lastOpsFit(job)],
    ['op', opFits(job)]
  ]
  return checks.find(([, holds]) => !holds)?.[0]
}

const PHASES: ReadonlySet<JobPhase> = new Set([
  'queued',
  'leased',
  'succeeded',
  'failed',
  'errored',
  'cancelled',
  'skipped',
  'moved'
])

function hasOutcome(phase: JobPhase): boolean {
  return isTerminal(phase) && phase !== 'skipped' && phase !== 'moved'
}

function outcomeFits({ outcome, phase, epoch }: JobState): boolean {
  return outcome?.state === phase && outcome.epoch === epoch
}

// Every epoch ends once, in order; the current one is in the history only after its end.
function historyFits({ history, epoch, lease }: JobState): boolean {
  const ended = lease === undefined ? epoch : epoch - 1
  const oldest = ended - history.length + 1
  return (
    history.length === Math.min(ended, HISTORY_ENTRIES_MAX) &&
    history.every((entry, index) => entry.epoch === oldest + index)
  )
}

function lastOpsFit({ lastOps, op, version }: JobState): boolean {
  const newest = lastOps.at(-1)
  if (lastOps.length !== Math.min(version, LAST_OPS_MAX)) return false
  return newest?.opId === op.opId && newest.actor === op.actor
}

// What each op leaves behind, readable without the value before it.
function opFits(job: JobState): boolean {
  const { body } = job.op
  switch (body.kind) {
    case 'create':
      return job.version === 1 && job.phase === 'queued' && job.annHash === body.annHash
    case 'claim':
      return job.version > 1 && (claimFits(job, body) || isCancelled(job))
    case 'complete':
      return completeFits(job, body) && endFits(job, 'completed', body)
    case 'release':
      return (job.phase === 'queued' || isCancelled(job)) && endFits(job, 'released', body)
    case 'adopt':
      return adoptFits(job, body)
    case 'reaffirm':
      return isHeldBy(job, body)
    case 'cancel':
      return cancelFits(job, body) && (job.phase === 'leased' || isCancelled(job))
    case 'error':
      return isCancelled(job) || errorFits(job, body)
    case 'skip':
      return job.phase === 'skipped'
    case 'move':
      return moveFits(job, body.witnessEpoch)
    default:
      return body satisfies never
  }
}

function claimFits(job: JobState, body: Extract<JobOpBody, { readonly kind: 'claim' }>): boolean {
  const { lease } = job
  if (lease === undefined || lease.holder !== job.op.actor) return false
  if (lease.adoption !== undefined) return false
  return (
    lease.claimId === body.claimId && lease.boot === body.boot && lease.leaseMs === body.leaseMs
  )
}

function adoptFits(job: JobState, body: Extract<JobOpBody, { readonly kind: 'adopt' }>): boolean {
  const adoption = job.lease?.adoption
  if (!isHeldBy(job, body) || adoption === undefined) return false
  const { opId, sig } = job.op
  return adoption.number === body.number && adoption.opId === opId && adoption.sig === sig
}

// The outcome that a holder signed ends the job, or is one of the failures that it may have.
function completeFits(
  job: JobState,
  { outcome }: Extract<JobOpBody, { readonly kind: 'complete' }>
): boolean {
  if (job.phase !== 'queued') {
    return isSameOutcome(job.outcome, outcome) && !isTriedAgain(job, outcome)
  }
  return outcome.state === 'failed' && (job.retries ?? 0) > 0 && job.cancel === undefined
}

function retriesFit({ retries = 0, retriesMax = 0 }: JobState): boolean {
  return isCount(retries) && isCount(retriesMax) && inRange(retriesMax, retries, RETRIES_MAX)
}

function isHeldBy(
  { lease, epoch, op }: JobState,
  body: { readonly epoch: number; readonly claimId: string; readonly boot: string }
): boolean {
  if (lease === undefined || lease.holder !== op.actor || body.epoch !== epoch) return false
  return lease.claimId === body.claimId && lease.boot === body.boot
}

function adoptionFits({ number, opId, sig }: Adoption): boolean {
  return isCount(number) && number > 0 && opId !== '' && sig !== ''
}

function endFits(
  job: JobState,
  end: HistoryEntry['end'],
  body: { readonly epoch: number; readonly claimId: string }
): boolean {
  const newest = job.history.at(-1)
  if (newest?.end !== end || newest.epoch !== job.epoch || body.epoch !== job.epoch) return false
  return (
    newest.holder === job.op.actor &&
    newest.claimId === body.claimId &&
    newest.opId === job.op.opId &&
    newest.sig === job.op.sig
  )
}

// What the holder signed is what is shown: a proposer must not colour it.
function isSameOutcome(a: Outcome | undefined, b: Outcome): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function cancelFits({ cancel, op }: JobState, { reason, graceMs }: CancelTerms): boolean {
  return cancel?.by === op.actor && cancel.reason === reason && cancel.graceMs === graceMs
}

function errorFits(
  { phase, outcome, history }: JobState,
  body: Extract<JobOpBody, { readonly kind: 'error' }>
): boolean {
  if (phase !== 'errored') return false
  if (body.reason === 'quarantined' && !mayHarmHosts(history)) return false
  return outcome?.reason === body.reason && outcome.message === body.message
}

// As the stop-sign, or landed: with the phase that it had before.
function moveFits(job: JobState, witnessEpoch: number): boolean {
  if (!isCount(witnessEpoch) || witnessEpoch < 1 || job.version < 2) return false
  if (job.phase === 'moved') return job.moved?.witnessEpoch === witnessEpoch
  return job.phase === 'queued' || job.phase === 'leased'
}

function isCancelled(job: JobState): boolean {
  return job.phase === 'cancelled' && job.cancel !== undefined
}

function inRange(value: number, least: number, most: number): boolean {
  return value >= least && value <= most
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}
