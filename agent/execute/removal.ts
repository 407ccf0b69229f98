import { setTimeout as sleep } from 'node:timers/promises'
import { causeOf, MeshError } from '../../protocol/core/errors.ts'

const PAUSE_MS_MIN = 50
const PAUSE_MS_MAX = 5_000

export interface Leftover {
  /** As in the message: `container x`. */
  readonly what: string
  /** Resolves once it is gone, or was never there. */
  readonly remove: () => Promise<unknown>
}

/**
 * Removes one thing after the other, each again and again until it is gone. Throws SANDBOX_FAILED
 * with what is left once `limitMs` are over.
 */
export async function confirmGone(
  job: string,
  leftovers: readonly Leftover[],
  limitMs: number
): Promise<void> {
  const limit = AbortSignal.timeout(limitMs)
  const failures: string[] = []
  for (const leftover of leftovers) {
    const failure = await persist(leftover, limit)
    if (failure !== undefined) failures.push(`${leftover.what} is left: ${failure}`)
  }
  if (failures.length === 0) return
  throw new MeshError('SANDBOX_FAILED', { job, action: 'be removed', cause: failures.join('; ') })
}

/** The last failure, undefined for success; every thing is tried at least once. */
async function persist(leftover: Leftover, limit: AbortSignal): Promise<string | undefined> {
  for (let pauseMs = PAUSE_MS_MIN; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)) {
    try {
      await leftover.remove()
      return undefined
    } catch (error) {
      if (limit.aborted) return causeOf(error)
      await sleep(pauseMs, undefined, { signal: limit }).catch(() => undefined)
    }
  }
}
