/** Whose runners they are: of the repository alone, or of all that its owner has. */
export type RunnerScope = 'repository' | 'organization'

/** A job of a forge's own pipelines, as the forge has it now. */
export interface ForgeJob {
  /** The forge's number of it. */
  readonly id: string
  /** As people see it; any text. */
  readonly name: string
  readonly labels: readonly string[]
  /** True where it is to be given to a runner now: not behind a gate, not begun, not ended. */
  readonly isWaiting: boolean
  /** True unless the forge says that its code is of the repository itself. */
  readonly isFork: boolean
  /** Of the runner that has or had it; '' before. */
  readonly runner: string
  /** By what its forge gives it to one runner alone; undefined where there is no such thing. */
  readonly handle?: string | undefined
}

/** A runner that is registered. */
export interface ForgeRunner {
  readonly id: string
  readonly name: string
  readonly isOnline: boolean
  readonly isBusy: boolean
}

export interface RunnerWish {
  /** Unique on its forge; used again only for a run that begins anew, once its runner is gone. */
  readonly name: string
  readonly labels: readonly string[]
  readonly scope: RunnerScope
  /** GitHub alone: number of the group that the runner joins. */
  readonly group: number
  /** Where the runner finds its forge, without a slash at its end. */
  readonly url: string
  /** Of the job that it is for, where its forge has handles. */
  readonly handle?: string | undefined
}

/** What a runner is configured with: values by the names of RUNNER_FILES. */
export type RunnerValues = Readonly<Record<string, string>>

/**
 * A forge's runners that end after one job. Every call rejects as those of ForgeApi do. What a
 * registration gives is known to whoever made it, and never asked for again.
 */
export interface RunnerApi {
  /** `any`: a runner gets whichever job its labels fit; `own`: the one whose handle it has. */
  readonly takes: 'any' | 'own'
  /** Every job of the repository that waits for a runner now. */
  waiting(signal: AbortSignal): Promise<readonly ForgeJob[]>
  /** Absent where the forge shows no single one; undefined where it knows none of that number. */
  readonly job?: (id: string, signal: AbortSignal) => Promise<ForgeJob | undefined>
  runners(scope: RunnerScope, signal: AbortSignal): Promise<readonly ForgeRunner[]>
  register(wish: RunnerWish, signal: AbortSignal): Promise<RunnerValues>
  /** `busy` where the forge will not part from it while it has a job. */
  remove(scope: RunnerScope, id: string, signal: AbortSignal): Promise<'removed' | 'gone' | 'busy'>
}

export interface RunnerFile {
  /** Name of the secret that it travels as. */
  readonly name: string
  /** In the container's memory. */
  readonly path: string
}

const file = (name: string, path: string): RunnerFile => ({
  name,
  path: `/run/secrets/${path}`
})

/** The forges whose own runners a slot can run, and what each of them reads. */
export const RUNNER_FILES = {
  github: [file('RUNNER_JITCONFIG', 'runner-jitconfig')],
  // The token is in the file; by itself it is there to be hidden by itself, too.
  gitea: [file('RUNNER_FILE', 'runner-file'), file('RUNNER_TOKEN', 'runner-token')],
  forgejo: [
    file('RUNNER_UUID', 'runner-uuid'),
    file('RUNNER_TOKEN', 'runner-token'),
    file('RUNNER_HANDLE', 'runner-handle')
  ]
} as const

export type RunnerForge = keyof typeof RUNNER_FILES

export function isRunnerForge(forge: string): forge is RunnerForge {
  return Object.hasOwn(RUNNER_FILES, forge)
}

/**
 * What a credential must be allowed for runners, in the forge's own words. Source: docs.github.com,
 * "Permissions required for GitHub Apps", and the scopes of tokens in the others' manuals.
 */
export function rightFor(forge: RunnerForge, scope: RunnerScope): string {
  const isOwners = scope === 'organization'
  if (forge !== 'github') return `a token of its admin with write:${scope}`
  const permission = isOwners ? 'organization_self_hosted_runners' : 'administration'
  return `the permission ${permission}: write`
}

/** Below the API's base: whose `/actions/runners` it is. */
export function ownerPath(path: string, scope: RunnerScope): string {
  const [owner = ''] = path.split('/')
  return scope === 'organization' ? `/orgs/${owner}` : `/repos/${path}`
}
