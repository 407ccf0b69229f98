import { BACKOFF_MS_MAX, BACKOFF_MS_MIN } from './limits.ts'

export interface BackoffRange {
  /** Upper end of the first wait. */
  readonly firstMs: number
  /** Upper end of every wait. */
  readonly maxMs: number
}

/** Between two rounds of one change (lease-protocol 4.6). */
export const ROUND_BACKOFF: BackoffRange = { firstMs: BACKOFF_MS_MIN, maxMs: BACKOFF_MS_MAX }

/** Upper end of the wait after `attempt` (from 0) failed: doubles, up to the range's maximum. */
export function backoffMaxMs(attempt: number, range: BackoffRange = ROUND_BACKOFF): number {
  // 2 ** attempt may reach Infinity, which is still above every maximum.
  return Math.min(range.maxMs, range.firstMs * 2 ** Math.max(0, attempt))
}

/**
 * The wait itself. `unit` is uniform in [0, 1): drawn from the whole range, since rivals that back
 * off by nearly the same time only meet again.
 */
export function backoffMs(
  attempt: number,
  unit: number,
  range: BackoffRange = ROUND_BACKOFF
): number {
  return unit * backoffMaxMs(attempt, range)
}
