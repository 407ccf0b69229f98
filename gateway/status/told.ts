import type { StatusState } from '../forge/forge-api.ts'

/** What is to be told of one run, or of one of its jobs, as of one moment. */
export interface Told {
  /** Name of the repository in gateway.yaml. */
  readonly repository: string
  readonly channel: 'status' | 'callback'
  readonly runId: string
  /** Undefined for the run itself. */
  readonly jobIndex: number | undefined
  readonly commit: string
  readonly ref: string
  readonly event: string
  /** `runner-mesh`, or `runner-mesh/JOB`; of a pull request `runner-mesh-pr`. */
  readonly context: string
  /** Name of the job; '' for the run. */
  readonly name: string
  readonly state: StatusState
  /** True where nothing follows. */
  readonly isFinal: boolean
  readonly description: string
  readonly targetUrl: string | undefined
  /** Wall clock at which the run was announced: what a later run of the commit says counts. */
  readonly issuedAtMs: number
  /** Within the run: higher for what came later. */
  readonly version: number
}

/** What of it can be seen: where this is the same, there is nothing to tell. */
export function contentOf({ state, description, targetUrl, isFinal }: Told): string {
  return JSON.stringify([state, description, targetUrl ?? '', isFinal])
}

/** Which of two is of the later moment: above 0 for the first. */
export function compareTold(
  a: Pick<Told, 'issuedAtMs' | 'version' | 'runId'>,
  b: Pick<Told, 'issuedAtMs' | 'version' | 'runId'>
): number {
  if (a.issuedAtMs !== b.issuedAtMs) return a.issuedAtMs - b.issuedAtMs
  if (a.runId !== b.runId) return a.runId < b.runId ? -1 : 1
  return a.version - b.version
}

/** One row of the outbox. */
export interface OutboxRow {
  readonly told: Told
  /** `contentOf` what was acknowledged last; undefined before. */
  readonly sent?: string | undefined
  /** How it ended; undefined while something is or may be to be told. */
  readonly settled?: 'sent' | 'superseded' | 'given_up' | undefined
  /** Why it was given up; for an operator. */
  readonly reason?: string | undefined
}

/** One context of one commit: what is told there is told in order. */
export function placeOf({ repository, channel, commit, context }: Told): string {
  return JSON.stringify([repository, channel, commit, context])
}

/** One context of one run. */
export function keyOf(told: Told): string {
  return `${placeOf(told)} ${told.runId}`
}
