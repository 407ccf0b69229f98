import type { Trust } from './trust.ts'

/**
 * What stands between a job and the host's kernel, each stronger than those before: nothing but the
 * profile; the profile and a root that is nobody on the host; a kernel in a process; a machine.
 */
export const ISOLATION_LEVELS = ['runc', 'userns', 'gvisor', 'vm'] as const
export type IsolationLevel = (typeof ISOLATION_LEVELS)[number]

/** What an agent's engine gives to jobs, and the least that its owner wants for strangers' code. */
export interface Isolation {
  readonly offered: IsolationLevel
  /** Undefined where the profile alone will do. */
  readonly required: IsolationLevel | undefined
}

/** The level that is lacking; undefined where the agent may run a job of this trust. */
export function lacksIsolation(
  trust: Trust,
  { offered, required }: Isolation
): IsolationLevel | undefined {
  if (trust === 'trusted' || required === undefined) return undefined
  return rank(offered) < rank(required) ? required : undefined
}

function rank(level: IsolationLevel): number {
  return ISOLATION_LEVELS.indexOf(level)
}
