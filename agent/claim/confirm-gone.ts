import { MeshError } from '../../protocol/core/errors.ts'
import { type EndingParts, pause } from './ending.ts'
import type { AttemptRunner } from './holder-parts.ts'

/** Tries to confirm that a sandbox is gone after the executor could not. */
const CLEAR_TRIES_MAX = 10
/** Milliseconds of the first pause between two of them; each is longer by as much. */
const CLEAR_PAUSE_MS = 1_000

type Parts = Pick<EndingParts, 'clock' | 'log'> & {
  readonly executor: Pick<AttemptRunner, 'clear'>
}

interface Claim {
  readonly jobId: string
  readonly claimId: string
}

/** Resolves once no container of the claim is left. Throws SANDBOX_FAILED after some tries. */
export async function confirmGone(parts: Parts, claim: Claim, signal: AbortSignal): Promise<void> {
  for (let tries = 0; tries < CLEAR_TRIES_MAX; tries++) {
    if (await isCleared(parts, claim)) return
    await pause(parts.clock, CLEAR_PAUSE_MS * (tries + 1), signal)
  }
  throw new MeshError('SANDBOX_FAILED', {
    job: claim.jobId,
    action: 'be removed',
    cause: 'the engine refuses; its guard ends it at the deadline'
  })
}

/** True once no container of the claim is left; false where `signal` came before. */
export async function untilGone(parts: Parts, claim: Claim, signal: AbortSignal): Promise<boolean> {
  for (let tries = 0; !signal.aborted; tries++) {
    if (await isCleared(parts, claim)) return true
    await pause(parts.clock, CLEAR_PAUSE_MS * Math.min(CLEAR_TRIES_MAX, tries + 1), signal)
  }
  return false
}

async function isCleared({ executor, log }: Parts, { jobId, claimId }: Claim): Promise<boolean> {
  try {
    await executor.clear(claimId)
    return true
  } catch (error) {
    log.warn({ job: jobId, err: error }, 'sandbox still there')
    return false
  }
}
