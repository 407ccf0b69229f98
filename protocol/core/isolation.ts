import type { JobSpec } from './run.ts'
import type { Trust } from './trust.ts'

/**
 * What stands between a job and the host's kernel, each stronger than those before: nothing but the
 * profile; the profile and a root that is nobody on the host; a kernel in a process; a machine.
 */
export const ISOLATION_LEVELS = ['runc', 'userns', 'gvisor', 'vm'] as const
export type IsolationLevel = (typeof ISOLATION_LEVELS)[number]

/** What a job may ask for; all that it gets without asking is nothing to ask for. */
export const ASKED_LEVELS = ['userns', 'gvisor', 'vm'] as const
export type AskedLevel = (typeof ASKED_LEVELS)[number]

/** A job with this label runs an engine of its own: it needs a runtime that can hold one. */
export const ENGINE_INSIDE = { label: 'docker', value: 'dind' } as const
/** Levels of runtimes that can hold an engine: sysbox and machines. */
const CONTAIN_ENGINES: readonly IsolationLevel[] = ['userns', 'vm']

/** What an agent gives to jobs, and the least that its owner wants for strangers' code. */
export interface Isolation {
  /** What the engine gives to each job that asks for nothing, whatever its network. */
  readonly offered: IsolationLevel
  /**
   * What runtimes give beside that, each shown by a trial on that host; absent for none. No trial
   * has shown that their networks work, or a GPU in them, so that they are for jobs without.
   */
  readonly levels?: readonly IsolationLevel[] | undefined
  /** Undefined where the profile alone will do. */
  readonly required: IsolationLevel | undefined
}

/** A job, as far as its isolation depends on it. */
export interface IsolationWish {
  readonly trust: Trust
  readonly spec: Pick<JobSpec, 'isolation' | 'network' | 'labels' | 'builder' | 'services' | 'gpu'>
}

export type Granted =
  | { readonly kind: 'granted'; readonly level: IsolationLevel; readonly by: 'engine' | 'runtime' }
  | Lacking

export interface Lacking {
  readonly kind: 'lacking'
  readonly least: IsolationLevel
  /** Whose word that is. */
  readonly asker: 'owner' | 'job'
  /** What keeps the job from a runtime that would do; undefined where there is none. */
  readonly barredBy: 'network' | 'builder' | 'GPU' | undefined
}

/** What the job gets here: the weakest that does, since each step costs speed; never less. */
export function isolationFor(job: IsolationWish, isolation: Isolation): Granted {
  const { asker, least } = leastFor(job, isolation.required)
  const holdsEngine = wantsEngine(job.spec)
  if (!holdsEngine && rank(least) <= rank(isolation.offered)) {
    return { kind: 'granted', level: isolation.offered, by: 'engine' }
  }
  const enough = ISOLATION_LEVELS.filter(
    (level) =>
      rank(level) >= rank(least) &&
      isolation.levels?.includes(level) === true &&
      (!holdsEngine || CONTAIN_ENGINES.includes(level))
  )
  const [level] = enough
  const bar = barOf(job.spec)
  if (level === undefined || bar !== undefined) {
    return { kind: 'lacking', least, asker, barredBy: level === undefined ? undefined : bar }
  }
  return { kind: 'granted', level, by: 'runtime' }
}

/** What no trial has shown of runtimes. */
function barOf({ network, builder, services, gpu }: IsolationWish['spec']): Lacking['barredBy'] {
  // Services are reached by a network, also where that leads nowhere else.
  if (network !== 'none' || (services ?? []).length > 0) return 'network'
  if (builder === true) return 'builder'
  return gpu === undefined ? undefined : 'GPU'
}

/** True for a job that starts containers itself. */
export function wantsEngine({ labels }: Pick<JobSpec, 'labels'>): boolean {
  const { label, value } = ENGINE_INSIDE
  return Object.hasOwn(labels, label) && labels[label] === value
}

/** True where a job that wants an engine of its own can have one. */
export function containsEngines({ levels = [] }: Pick<Isolation, 'levels'>): boolean {
  return levels.some((level) => CONTAIN_ENGINES.includes(level))
}

/** `runc; without a network also gvisor`: for people. */
export function formatIsolation({ offered, levels = [] }: Isolation): string {
  const more = levels.filter((level) => rank(level) > rank(offered))
  return more.length === 0 ? offered : `${offered}; without a network also ${more.join(', ')}`
}

function leastFor(
  { trust, spec }: IsolationWish,
  required: IsolationLevel | undefined
): Pick<Lacking, 'least' | 'asker'> {
  const asked = spec.isolation ?? 'runc'
  const owners = trust === 'trusted' ? 'runc' : (required ?? 'runc')
  return rank(owners) > rank(asked)
    ? { least: owners, asker: 'owner' }
    : { least: asked, asker: 'job' }
}

function rank(level: IsolationLevel): number {
  return ISOLATION_LEVELS.indexOf(level)
}
