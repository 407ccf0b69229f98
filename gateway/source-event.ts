import type { RunOrigin } from '../protocol/core/run.ts'
import type { GitPush } from './hooks/git-push.ts'
import type { SlotEvent } from './provision/slot-event.ts'

/** What the inbox keeps, whoever says so: a hook, a poll, a person or the calendar. */
export type SourceEvent = RefEvent | PullRequestEvent | OrderedEvent | SlotEvent

export interface Named {
  /** As its forge names it. */
  readonly repository: string
  /** The forge's number of it; absent for bare Git, where the URL is all there is. */
  readonly repositoryId?: string
  /**
   * One line of at most NAME_CHARACTERS_MAX that tells it from another of the same meaning: a retry
   * has one. Absent and '' are the same.
   */
  readonly nonce?: string | undefined
  /** Names of the jobs that a retry is of; absent is all. */
  readonly jobs?: readonly string[] | undefined
}

/** One ref of one push. */
export interface RefEvent extends Named, GitPush {
  /** `tag`: its `after` is the commit that the tag leads to, where the forge says it. */
  readonly kind: 'push' | 'tag'
}

/**
 * A pull request has a new head, or is to be looked at again. Nothing else that its delivery says
 * is kept: who wrote it, where it comes from and where it goes is asked of the forge.
 */
export interface PullRequestEvent extends Named {
  readonly kind: 'pull_request'
  readonly number: number
  /** Where the forge keeps the head: `refs/pull/7/head`, `refs/merge-requests/7/head`. */
  readonly ref: string
  /** Full commit id. */
  readonly head: string
  /**
   * The branch that it was sent to instead of another one, which makes it another run (`nonce`),
   * since another pipeline file may say what runs. The forge is asked whether it is so.
   */
  readonly base?: string | undefined
}

/** A run that a person or the calendar asks for. */
export interface OrderedEvent extends Named {
  readonly kind: 'manual' | 'schedule'
  readonly ref: string
  /** Full commit id, at which the pipeline file is read. */
  readonly commit: string
  readonly inputs: Readonly<Record<string, string>>
  /** Who asks; '' for the calendar. */
  readonly pusher: string
  /** The request's id, or the time that the schedule means: each is a run of its own. */
  readonly nonce: string
  /** In place of the commit's own pipeline file, where whoever asks has brought one. */
  readonly pipeline?: InlinePipeline | undefined
}

export interface InlinePipeline {
  readonly text: string
  /** Whether who asks may have it run as if it were the repository's own. */
  readonly isTrusted: boolean
}

/** The event in a delivery's body; records from before there were others hold a push alone. */
export function eventOf({ body }: { readonly body: string }): SourceEvent {
  const event = JSON.parse(body) as SourceEvent | GitPush
  return 'kind' in event ? event : { ...event, kind: 'push' }
}

/** Name of the branch, undefined for tags and every other ref. */
export function branchOf({ ref }: { readonly ref: string }): string | undefined {
  return /^refs\/heads\/(.+)$/.exec(ref)?.[1]
}

/** Name of the tag, undefined for branches and every other ref. */
export function tagOf({ ref }: { readonly ref: string }): string | undefined {
  return /^refs\/tags\/(.+)$/.exec(ref)?.[1]
}

/** The commit that runs. */
export function commitOf(event: SourceEvent): string {
  if (event.kind === 'pull_request') return event.head
  return 'after' in event ? event.after : event.commit
}

/** Who is said to have caused it; of a pull request only the forge knows. */
export function pusherOf(event: SourceEvent): string {
  return event.kind === 'pull_request' ? '' : event.pusher
}

/**
 * What the run is named after: the URL in gateway.yaml and the event's meaning, never the id of a
 * delivery. A path starts with a slash and a forge's number does not, so that neither can be taken
 * for the other.
 */
export function originOf(event: SourceEvent, url: string): RunOrigin {
  const { forgeHost, repositoryId } = placeOf(url)
  return {
    forgeHost,
    repositoryId: event.repositoryId ?? repositoryId,
    event: event.kind,
    ref: event.ref,
    commit: commitOf(event),
    // Opened, updated and labelled on one head are one run, whichever comes first.
    number: numberOf(event),
    action: '',
    rerunNonce: event.nonce ?? ''
  }
}

function numberOf(event: SourceEvent): string {
  if (event.kind === 'workflow_job') return event.job
  return event.kind === 'pull_request' ? String(event.number) : ''
}

/** What all deliveries of one pull request have in common; '' for everything else. */
export function subjectOf({ forgeHost, repositoryId, event, number }: RunOrigin): string {
  return event !== 'pull_request' ? '' : `${forgeHost} ${repositoryId} ${number}`
}

/** True where both URLs lead to one repository: only what a run is named after counts. */
export function isSameRepository(url: string, other: string): boolean {
  const [here, there] = [placeOf(url), placeOf(other)]
  return here.forgeHost === there.forgeHost && here.repositoryId === there.repositoryId
}

function placeOf(url: string): Pick<RunOrigin, 'forgeHost' | 'repositoryId'> {
  const { host, pathname } = new URL(url)
  return { forgeHost: host.toLowerCase(), repositoryId: pathname.replace(/\.git$/, '') }
}
