import type { Announcement, SealedAnnouncement } from '../protocol/core/run.ts'
import type { TrustRules } from '../protocol/core/trust.ts'
import type { InboxStore } from '../protocol/store/inbox-store.ts'
import type { Provision } from './provision/provision.ts'

/** The part of the durable inbox that hooks and intake use. */
export type Inbox = Pick<
  InboxStore,
  | 'put'
  | 'get'
  | 'byRun'
  | 'update'
  | 'undone'
  | 'open'
  | 'nextGwSeq'
  | 'closeAnnouncements'
  | 'floor'
  | 'pinEpoch'
  | 'repinEpoch'
  | 'firstEpochOf'
  | 'waiting'
  | 'ofSubject'
>

/** Makes announcements in this gateway's name. */
export interface Announcer {
  /** This gateway's peer id. */
  readonly gateway: string
  /** Rejects with ANNOUNCEMENT_INVALID, MESSAGE_TOO_LARGE. */
  seal(announcement: Announcement): Promise<SealedAnnouncement>
  /** Throws ANNOUNCEMENT_INVALID. */
  open(bytes: Uint8Array): SealedAnnouncement
}

/** The mesh, as far as a run must be recorded in it. */
export interface Recorder {
  /** Undefined before the first roster. */
  witnessEpoch(): number | undefined
  /** True for a witness epoch that was given up: nothing of it is ever heard of again. */
  isLost(witnessEpoch: number): boolean
  /**
   * Resolves with what a quorum has chosen for the run, which may be another gateway's
   * announcement. Rejects with QUORUM_UNREACHABLE, with EPOCH_UNREACHABLE where an earlier witness
   * epoch is in the way, or with DISK_LOW where witnesses have no room, and may then be called
   * again; with RUN_SUPERSEDED where it has to be announced anew. `fromEpoch` is the first witness
   * epoch that this gateway may have tried.
   */
  recordRun(
    sealed: SealedAnnouncement,
    signal: AbortSignal,
    fromEpoch?: number
  ): Promise<SealedAnnouncement>
  /** Tells the mesh; what gossip loses is repaired by anti-entropy. */
  publish(sealed: SealedAnnouncement): Promise<void>
}

export interface RepositoryRef {
  readonly name: string
  readonly url: string
}

/**
 * Which pull requests of forks wait for an approval: those of authors that the forge does not know,
 * all, or none.
 */
export const APPROVALS = ['first_time', 'always', 'never'] as const
export type Approval = (typeof APPROVALS)[number]

/** With what gateway.yaml says of it beyond where it is. */
export interface DeclaredRepository extends RepositoryRef, TrustRules {
  /** Whether a push to that branch, or a pull request into it, may start a run. */
  selects(branch: string): boolean
  readonly approval: Approval
  /** The forge's own runners that are run for it. */
  readonly provision?: Provision | undefined
}

export type PipelineFile =
  | { readonly kind: 'found'; readonly bytes: Uint8Array }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unusable'; readonly problem: string }

export interface CommitContent {
  /** First line of the commit message, at most TITLE_CHARACTERS_MAX. */
  readonly title: string
  readonly pipeline: PipelineFile
}

/** Two states of a repository. */
export type Change =
  | { readonly kind: 'push'; readonly before: string; readonly after: string }
  /** What the head has that its base, a branch, has not: from where they parted on. */
  | { readonly kind: 'pull_request'; readonly base: string; readonly head: string }

/** All calls reject with WORKSPACE_FETCH_FAILED. */
export interface CommitReader {
  read(repository: RepositoryRef, commit: string, signal: AbortSignal): Promise<CommitContent>
  /** The newest commit of a branch, `main`. */
  readBranch(repository: RepositoryRef, branch: string, signal: AbortSignal): Promise<CommitContent>
  /** At most CHANGED_PATHS_MAX; undefined where they are more, or nobody can tell. */
  changedPaths(
    repository: RepositoryRef,
    change: Change,
    signal: AbortSignal
  ): Promise<readonly string[] | undefined>
}

/** What a forge says of a pull request at this moment: asked for, never taken from a delivery. */
export interface PullRequestFacts {
  readonly number: number
  readonly isOpen: boolean
  /** Full commit id. */
  readonly headCommit: string
  /** Short name, `fix-wakeup`, in the repository that it comes from; '' where that is gone. */
  readonly headBranch: string
  /** True unless it comes from a branch of the declared repository itself. */
  readonly isFork: boolean
  /** Short name, `main`, in the declared repository. */
  readonly baseBranch: string
  readonly author: string
  /** Belongs to the repository, or has work merged there, as the forge says. */
  readonly isKnownAuthor: boolean
  readonly labels: readonly string[]
  readonly title: string
}

export interface ForgeFacts {
  /**
   * Rejects with FORGE_REFUSED where the forge answers that it may not be asked (no credential, or
   * none that is good for it), with FORGE_UNREACHABLE where it may be asked again later.
   */
  pullRequest(
    repository: DeclaredRepository,
    number: number,
    signal: AbortSignal
  ): Promise<PullRequestFacts>
}
