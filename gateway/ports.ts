import type { Announcement, SealedAnnouncement } from '../protocol/core/run.ts'
import type { InboxStore } from '../protocol/store/inbox-store.ts'

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
>

/** Makes announcements in this gateway's name. */
export interface Announcer {
  /** This gateway's peer id. */
  readonly gateway: string
  /** Throws ANNOUNCEMENT_INVALID, MESSAGE_TOO_LARGE. */
  seal(announcement: Announcement): SealedAnnouncement
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

/** With what gateway.yaml says of it beyond where it is. */
export interface DeclaredRepository extends RepositoryRef {
  /** Whether a push to that branch, `main`, is the repository's own word. */
  readonly trusts: (branch: string) => boolean
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

export interface CommitReader {
  /** Rejects with WORKSPACE_FETCH_FAILED. */
  read(repository: RepositoryRef, commit: string, signal: AbortSignal): Promise<CommitContent>
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
