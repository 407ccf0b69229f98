import { backoffMs } from '../../protocol/core/backoff.ts'
import { causeOf, codeOf } from '../../protocol/core/errors.ts'
import { isForgotten } from '../../protocol/core/floor.ts'
import type { JobOpBody } from '../../protocol/core/job.ts'
import { endOpId } from '../../protocol/core/op-id.ts'
import type { Clock, Digest, Random } from '../../protocol/core/ports.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { ClaimEvent } from './claim-event.ts'
import type { JobChange, Registers } from './ports.ts'

export interface EndingParts {
  readonly registers: Registers
  readonly clock: Clock
  readonly random: Random
  readonly digest: Digest
  readonly log: Log
  readonly onEvent?: ((event: ClaimEvent) => void) | undefined
}

export type EndBody = Extract<JobOpBody, { kind: 'complete' | 'release' }>

/**
 * Proposes the end of a lease until the answer is definite: `applied` and `same` mean that it is
 * recorded, `rejected` that another lease came first. The id is made from the claim, so that a
 * retry, after a restart too, is the same operation (4.12.10). Undefined when `signal` aborts
 * first. `startedAtMs`, by the wall clock, is that of an attempt of a process before this one.
 */
export async function endLease(
  parts: EndingParts,
  jobId: string,
  body: EndBody,
  signal: AbortSignal,
  startedAtMs?: number
): Promise<JobChange | undefined> {
  const opId = endOpId(body.claimId, body.kind, parts.digest)
  for (let attempt = 0; !signal.aborted; attempt++) {
    const change = await propose(parts, { jobId, opId, body, startedAtMs })
    if (change !== undefined && change.kind !== 'unresolved' && change.kind !== 'busy') {
      await tell(parts, jobId, change)
      return change
    }
    await pause(parts.clock, backoffMs(attempt, parts.random.next()), signal)
  }
  return undefined
}

interface Proposal {
  readonly jobId: string
  readonly opId: string
  readonly body: EndBody
  readonly startedAtMs: number | undefined
}

/** Undefined where the mesh could not even be asked: too busy, or the run is not known yet. */
async function propose(
  parts: EndingParts,
  { jobId, opId, body, startedAtMs }: Proposal
): Promise<JobChange | undefined> {
  const facts = { job: jobId, epoch: body.epoch, end: body.kind }
  try {
    const change = await parts.registers.changeJob(jobId, opId, body)
    if (change.kind === 'unresolved') parts.log.warn(facts, 'end not settled yet')
    return change
  } catch (error) {
    // It has ended, and so long ago that its witnesses keep it no more: nobody waits for this end.
    const code = codeOf(error)
    // As long ago as that they do not even know that they dropped it: asked for ever, else.
    const isOld = startedAtMs !== undefined && isForgotten(startedAtMs, parts.clock.wallMs())
    if (code === 'RUN_GONE' || (code === 'RUN_UNKNOWN' && isOld)) {
      return { kind: 'rejected', value: undefined, reason: 'gone' }
    }
    parts.log.warn({ ...facts, cause: causeOf(error) }, 'end not proposed yet')
    return undefined
  }
}

async function tell(parts: EndingParts, jobId: string, change: JobChange): Promise<void> {
  if (change.kind === 'rejected') return
  await parts.registers.hint(jobId).catch((error: unknown) => {
    // The register is the truth: without the hint the others learn it by anti-entropy.
    parts.log.debug({ job: jobId, err: error }, 'hint not sent')
  })
}

/** Resolves after `ms`, or at once when `signal` aborts. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve()
      return
    }
    const end = (): void => {
      disarm()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const disarm = clock.arm(ms, end)
    signal.addEventListener('abort', end, { once: true })
  })
}
