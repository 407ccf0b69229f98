import type { PullRequestFacts } from '../ports.ts'
import type { RunnerApi } from './runner-api.ts'

/** Of one job or of a whole run, in our own words; each adapter has its forge's. */
export type StatusState =
  | 'queued'
  | 'running'
  | 'succeeded'
  | 'failed'
  | 'errored'
  | 'cancelled'
  | 'skipped'

export interface CommitStatus {
  /** Full commit id. */
  readonly commit: string
  /** Full ref that the run is of. */
  readonly ref: string
  readonly context: string
  readonly state: StatusState
  readonly description: string
  /** Page of the job; undefined where nobody has said where the gateway is reached. */
  readonly targetUrl: string | undefined
}

/** Open pull or merge requests: number to head commit. */
export type OpenPullRequests = ReadonlyMap<string, string>

/** Full ref to commit id, of branches and tags. */
export type Heads = ReadonlyMap<string, string>

/** A delivery of a hook that its forge could not bring, and can send again. */
export interface FailedDelivery {
  readonly hook: string
  readonly delivery: string
}

/**
 * One repository on one forge. Every call rejects with FORGE_REFUSED, FORGE_UNREACHABLE or
 * FORGE_LIMITED, and with the errors of the credential.
 */
export interface ForgeApi {
  /** `host[:port]` that all calls go to: what limits are counted for. */
  readonly host: string
  /** The forge's number of the repository. */
  repositoryId(signal: AbortSignal): Promise<string>
  pullRequest(number: number, signal: AbortSignal): Promise<PullRequestFacts>
  /** `same` where the forge had that state already: there is nothing more to do. */
  postStatus(status: CommitStatus, signal: AbortSignal): Promise<'posted' | 'same'>
  heads(signal: AbortSignal): Promise<Heads>
  openPullRequests(signal: AbortSignal): Promise<OpenPullRequests>
  /** Absent where the forge keeps no list of deliveries. `sinceMs`: wall clock. */
  readonly failedDeliveries?: (
    sinceMs: number,
    signal: AbortSignal
  ) => Promise<readonly FailedDelivery[]>
  readonly redeliver?: (delivery: FailedDelivery, signal: AbortSignal) => Promise<void>
  /** Of its own runners; absent where the forge has none that end after one job. */
  readonly runners?: RunnerApi | undefined
}

/** Where a repository is on its forge. */
export interface ForgePlace {
  /** Base of the API, without a slash at its end. */
  readonly api: string
  /** `team/kernel`, on GitLab with all its groups. */
  readonly path: string
}
