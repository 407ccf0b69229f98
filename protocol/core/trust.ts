import type { RunEvent } from './run-event.ts'

/**
 * How far the mesh trusts what a run executes: `untrusted` where its author need not be one of the
 * repository's own.
 */
export type Trust = 'trusted' | 'untrusted'

/** What started a run, as far as trust depends on it. */
export interface RunSource {
  readonly event: RunEvent
  /** Full ref, `refs/heads/main`. */
  readonly ref: string
  /** True where the commit comes from a repository other than the declared one. */
  readonly fork: boolean
}

const BRANCH = /^refs\/heads\/(.+)$/

/**
 * A branch that the repository's owner trusts, and nothing else: what no rule speaks of is
 * untrusted. `trusts` is the owner's word on a branch by its short name, `main`; a fork's branch
 * may have any name, so that it is not even asked.
 */
export function trustOf(source: RunSource, trusts: (branch: string) => boolean): Trust {
  if (source.fork) return 'untrusted'
  const branch = BRANCH.exec(source.ref)?.[1]
  return branch !== undefined && trusts(branch) ? 'trusted' : 'untrusted'
}
