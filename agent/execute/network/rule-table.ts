import type { Opening } from './openings.ts'

/** What a host's kernel has of our rules now. */
export interface TableView {
  /** Of all but counters and openings: equal for equal rules. */
  readonly fingerprint: string
  readonly rules: number
  readonly openings: readonly Opening[]
}

/**
 * The rules for the bridges of jobs, however this host's kernel is told of them; every call rejects
 * with what its tool says. Other agents of the host have the same rules, and openings of their own
 * among ours.
 */
export interface RuleTable {
  /** Rules that there are once all are in place, openings not among them. */
  readonly rules: number
  /** Undefined where there are none of ours. */
  list(): Promise<TableView | undefined>
  /** All of it in one step, in place of what was there: there is no moment without rules. */
  lay(openings: readonly Opening[]): Promise<void>
  /** To rules that are in place; all or none. */
  add(openings: readonly Opening[]): Promise<void>
  remove(openings: readonly Opening[]): Promise<void>
}
