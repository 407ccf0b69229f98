import { matchesGlob } from '../../protocol/core/glob.ts'
import { ISOLATION_LEVELS, type IsolationLevel } from '../../protocol/core/isolation.ts'
import type { Manifest } from '../../protocol/core/run.ts'
import { PIPELINE_EVENTS } from '../../protocol/core/run-event.ts'

/** Which runs and jobs may have a secret; an empty list of branches or images allows them all. */
export interface SecretRules {
  readonly events: readonly string[]
  readonly branches: readonly string[]
  readonly images: readonly string[]
  /** The least that keeps the job apart from its host; undefined allows whatever a host gives. */
  readonly isolation?: IsolationLevel | undefined
}

/** What a secret is for where nothing else is said. */
export const DEFAULT_EVENTS: readonly string[] = ['push']
/** What a run can come of. */
export const KNOWN_EVENTS: readonly string[] = PIPELINE_EVENTS

/** What of a run its secrets depend on. */
export interface SecretRun extends Pick<Manifest, 'trust'> {
  readonly origin: Pick<Manifest['origin'], 'event' | 'ref'>
}

const BRANCH_PREFIX = 'refs/heads/'

/** Which rule keeps a secret from this job; undefined where none does. */
export function ruleAgainst(
  rules: SecretRules,
  { origin, trust }: SecretRun,
  image: string
): 'untrusted' | 'event' | 'branch' | 'image' | undefined {
  // Whatever a secret's own rules say: strangers' code gets none.
  if (trust !== 'trusted') return 'untrusted'
  if (!rules.events.includes(origin.event)) return 'event'
  if (!allows(rules.branches, branchOf(origin.ref))) return 'branch'
  return allows(rules.images, image) ? undefined : 'image'
}

/** True where the job gets as much as is wanted. */
export function isKeptApart({ isolation }: Pick<SecretRules, 'isolation'>, given: IsolationLevel) {
  return ISOLATION_LEVELS.indexOf(given) >= ISOLATION_LEVELS.indexOf(isolation ?? 'runc')
}

function allows(patterns: readonly string[], name: string | undefined): boolean {
  if (patterns.length === 0) return true
  return name !== undefined && patterns.some((pattern) => matchesGlob(pattern, name))
}

function branchOf(ref: string): string | undefined {
  return ref.startsWith(BRANCH_PREFIX) ? ref.slice(BRANCH_PREFIX.length) : undefined
}
