import type { JobState, Outcome } from './job.ts'

type Tries = Pick<JobState, 'attempts' | 'attemptsMax' | 'retries' | 'retriesMax' | 'cancel'>

/**
 * True where an attempt that ends so does not end the job: its own commands failed, and it may try
 * again. Not after a cancel: whoever asked for that would see it begin anew.
 */
export function isTriedAgain(job: Tries, { state }: Pick<Outcome, 'state'>): boolean {
  return state === 'failed' && job.cancel === undefined && triesLeft(job) > 0
}

/** Attempts that are left to a job whose own commands fail. */
export function triesLeft({ retries = 0, retriesMax = 0 }: Tries): number {
  return Math.max(0, retriesMax - retries)
}

/**
 * The attempt that runs, or ran last, from 1. Those that failed are counted apart from those that
 * were lost: each kind has its own end, and neither uses the other's up.
 */
export function attemptOf({ attempts, retries = 0 }: Tries): number {
  return attempts + retries
}

/** As many attempts as a job has at most, whatever ends them. */
export function attemptsAtMost({ attemptsMax, retriesMax = 0 }: Tries): number {
  return attemptsMax + retriesMax
}
