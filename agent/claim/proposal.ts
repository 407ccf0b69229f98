import { backoffMs } from '../../protocol/core/backoff.ts'
import type { BoardJob } from '../../protocol/core/board-job.ts'
import type { JobOpBody, JobState } from '../../protocol/core/job.ts'
import { holdsLease } from '../../protocol/core/lease.ts'
import { isLastLease } from '../../protocol/core/losses.ts'
import { type EndingParts, pause } from './ending.ts'
import type { WonClaim } from './holder-parts.ts'
import type { JobChange } from './ports.ts'

type ClaimBody = Extract<JobOpBody, { kind: 'claim' }>

/**
 * Reads the job, and claims it where it is free. Undefined where it is another's, or nobody's to
 * have. At `signal` a claim that is not settled yet is left to the next boot.
 */
export async function proposeClaim(
  parts: EndingParts,
  job: BoardJob,
  signal: AbortSignal
): Promise<WonClaim | undefined> {
  const { registers, random, clock, log } = parts
  const { jobId, spec } = job
  const seen = await registers.readJob(jobId)
  if (seen.kind === 'unreachable') return undefined
  const phase = seen.state?.phase ?? 'queued'
  if (phase === 'leased' ? seen.leaseRemainingMs > 0 : phase !== 'queued') return undefined
  const sealed = registers.board.run(job.runId)?.sealed
  // A lease on what cannot be run is no use to anybody.
  if (sealed === undefined) return undefined
  const claimId = random.id(16)
  const { boot, peerId } = registers
  const { leaseMs } = registers.leaseProfile(jobId)
  // Counted from before the first attempt: a witness may have accepted as early as that.
  const startedAtMs = clock.bootMs()
  const body = { kind: 'claim', claimId, boot, leaseMs } as const
  const change = await settle(parts, jobId, body, signal)
  const state = change.value
  if (change.kind === 'rejected') await giveUp(parts, jobId, change.reason, state)
  // `same` may name a lease that was cancelled or taken over meanwhile (4.12.2).
  if (state === undefined || !holdsLease(state, { holder: peerId, claimId, boot })) {
    const result = change.kind === 'unresolved' ? 'unresolved' : 'lost'
    parts.onEvent?.({ kind: 'claimed', result })
    return undefined
  }
  parts.onEvent?.({ kind: 'claimed', result: 'won' })
  const ms = clock.bootMs() - startedAtMs
  log.info({ job: jobId, epoch: state.epoch, phase: 'claim', ms }, 'phase finished')
  tell(parts, jobId)
  return { jobId, spec, sealed, state, claimId, startedAtMs }
}

/**
 * Ends a job whose last lease has run out, whatever this host could run: else a job that only the
 * lost host fits would never end.
 */
export async function endLostJob(parts: EndingParts, jobId: string): Promise<void> {
  const { registers, random } = parts
  const seen = await registers.readJob(jobId)
  if (seen.kind === 'unreachable' || seen.leaseRemainingMs > 0) return
  const { state } = seen
  if (state === undefined || !isLastLease(state)) return
  if (state.cancel === undefined) {
    const exhausted = state.attempts >= state.attemptsMax
    return await giveUp(parts, jobId, exhausted ? 'attempts_exhausted' : 'quarantined', state)
  }
  // A claim of a job that is to be cancelled can win nothing: it ends it (4.12.11).
  const { leaseMs } = registers.leaseProfile(jobId)
  const body = { kind: 'claim', claimId: random.id(16), boot: registers.boot, leaseMs } as const
  await registers.changeJob(jobId, random.id(16), body)
  tell(parts, jobId)
}

/** An ambiguous claim may be chosen later: it is asked for, under its own id, until it is known. */
async function settle(
  parts: EndingParts,
  jobId: string,
  body: ClaimBody,
  signal: AbortSignal
): Promise<JobChange> {
  const { registers, clock, random, log } = parts
  const opId = random.id(16)
  for (let attempt = 0; ; attempt++) {
    const change = await registers.changeJob(jobId, opId, body)
    if (change.kind !== 'unresolved' || signal.aborted) return change
    log.warn({ job: jobId, attempt }, 'claim not settled yet')
    await pause(clock, backoffMs(attempt, random.next()), signal)
  }
}

/** Nobody may try again and the last holder is gone: the job ends as ours, and says so. */
async function giveUp(
  parts: EndingParts,
  jobId: string,
  refusal: string,
  value: JobState | undefined
): Promise<void> {
  const body = surrenderOf(refusal, value)
  if (body === undefined) return
  await parts.registers.changeJob(jobId, parts.random.id(16), body)
  tell(parts, jobId)
}

/** What ends a job whose claim was refused for good; undefined for any other refusal. */
function surrenderOf(
  refusal: string,
  value: JobState | undefined
): Extract<JobOpBody, { kind: 'error' }> | undefined {
  const expired = value?.history.filter(({ end }) => end === 'expired').length ?? 0
  const lost = expired + (value?.lease === undefined ? 0 : 1)
  const ended = `${lost} of ${value?.attemptsMax ?? lost} attempts ended with the loss of their agent`
  if (refusal === 'attempts_exhausted') {
    const message = `${ended}: look at those hosts, then push again`
    return { kind: 'error', reason: 'agent_lost', message }
  }
  if (refusal !== 'quarantined') return undefined
  const message = `${ended}, on different hosts: the job may be what ends them; look at it, then push again`
  return { kind: 'error', reason: 'quarantined', message }
}

function tell(parts: EndingParts, jobId: string): void {
  parts.registers.hint(jobId).catch((error: unknown) => {
    // The register is the truth: without the hint the others learn it by anti-entropy.
    parts.log.debug({ job: jobId, err: error }, 'hint not sent')
  })
}
