import type { ExecEnd } from './engine-types.ts'

/** Characters of the engine's own words that are kept of a process that could not start. */
const CAUSE_CHARACTERS_MAX = 1_000

export function notStarted(cause: string): ExecEnd {
  return { kind: 'not_started', cause: cause.slice(0, CAUSE_CHARACTERS_MAX) }
}
