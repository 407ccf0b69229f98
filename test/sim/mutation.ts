import type { ScheduleName } from './schedules.ts'

/** One exact change of one source file: `find` occurs in it exactly once. */
export interface Patch {
  readonly file: string
  readonly find: string
  readonly replace: string
}

/**
 * A rule of the protocol left out on purpose. Production code knows nothing of it: the file is
 * patched while it is loaded, in a process of its own.
 */
export interface Mutation {
  readonly name: string
  /** The rule that is left out, and where it is written down. */
  readonly rule: string
  readonly patches: readonly Patch[]
  /** Found by this schedule, and hardly by random trouble. */
  readonly schedule?: ScheduleName
}

export const ACCEPTOR = 'protocol/core/acceptor.ts'
export const DECIDE = 'protocol/core/decide.ts'
export const HOLDER = 'test/sim/holder.ts'
export const LEASE = 'protocol/core/lease.ts'
export const PROPOSER = 'protocol/core/proposer.ts'
export const WAVES = 'protocol/core/proposer-waves.ts'
export const JOBS = 'protocol/core/job-reducer.ts'

export const NO_GUARD: Patch = {
  file: ACCEPTOR,
  find: 'if (permits(known, value, { leftMs, confirmed, confirmedBoot })) return\n',
  replace:
    'if (permits(known, value, { leftMs: 0, confirmed: false, confirmedBoot: false })) return\n'
}

export const NO_WAIT: Patch = {
  file: DECIDE,
  find: 'return quorumRemainingMs(base, answers, quorumOf(witnesses.length))\n',
  replace: 'return 0\n'
}

export const NO_EXPIRY: Patch = {
  file: LEASE,
  find: "if (running && nowMs >= hold.deadlineMs) return lose(hold, 'expired')\n",
  replace: ''
}
