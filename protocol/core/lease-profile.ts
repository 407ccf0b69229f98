import type { LeaseProfileName } from './roster.ts'

/** The timers of one lease profile (lease-protocol 4.11), all in milliseconds. */
export interface LeaseProfile {
  readonly leaseMs: number
  readonly renewEveryMs: number
  /**
   * Time that guard and engine may need to end a container: the holder gives up this much earlier.
   */
  readonly killBudgetMs: number
  /** A witness lets another claim in this long after the last renewal it saw. */
  readonly takeOverMs: number
  /** No container is started with less than this left. */
  readonly startMsMin: number
  readonly requestTimeoutMs: number
  readonly claimDelayMs: number
  /** SIGTERM goes to the steps this long before the deadline. */
  readonly graceMs: number
  readonly antiEntropyMs: number
}

export const LEASE_PROFILES: Readonly<Record<LeaseProfileName, LeaseProfile>> = {
  // takeOverMs >= (leaseMs - killBudgetMs + killBudgetMs) * 1.01 / 0.99 + slack, for 1 % drift.
  default: {
    leaseMs: 30_000,
    renewEveryMs: 5_000,
    killBudgetMs: 3_000,
    takeOverMs: 32_000,
    startMsMin: 5_000,
    requestTimeoutMs: 2_000,
    claimDelayMs: 150,
    graceMs: 5_000,
    antiEntropyMs: 10_000
  },
  short: {
    leaseMs: 3_000,
    renewEveryMs: 500,
    killBudgetMs: 800,
    takeOverMs: 3_500,
    startMsMin: 500,
    requestTimeoutMs: 400,
    claimDelayMs: 30,
    graceMs: 500,
    antiEntropyMs: 1_000
  }
}

/**
 * The timers of a lease of that length. A lease keeps those that it was claimed with, also where
 * the roster has others since; undefined for a length that no profile has.
 */
export function profileOf(leaseMs: number): LeaseProfile | undefined {
  return Object.values(LEASE_PROFILES).find((profile) => profile.leaseMs === leaseMs)
}

/** How long after the start of a round its lease may still run a container. */
export function holdMs(profile: LeaseProfile): number {
  return profile.leaseMs - profile.killBudgetMs
}

/**
 * How long a witness may take for an answer: half of what the asker waits, for with all of it the
 * answer would always be too late.
 */
export function answerMs(profile: LeaseProfile): number {
  return profile.requestTimeoutMs / 2
}
