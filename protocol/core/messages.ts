import type { Ballot } from './ballot.ts'
import type { Cancellation, JobPhase, JobState } from './job.ts'
import type { RunState } from './run.ts'

export type RegisterValue = JobState | RunState

/** Names the announcement that a register belongs to, in every request (4.12.5). */
export interface AnnouncementRef {
  readonly gateway: string
  readonly gwSeq: number
  readonly annHash: string
}

/** One register under one witness set, as one witness is asked for it. */
export interface RegisterScope {
  readonly register: string
  /**
   * Records are keyed by (register, witnessEpoch): a witness in both sets never mixes them
   * (4.12.3).
   */
  readonly witnessEpoch: number
  /** The database that the asker believes to talk to. */
  readonly storeId: string
  /** Undefined only in a read of a register whose announcement is not known yet. */
  readonly ann: AnnouncementRef | undefined
}

/** Where a running attempt is; soft state in renewals. */
export interface Stage {
  readonly name: 'claimed' | 'checkout' | 'image' | 'create' | 'start' | 'step' | 'finishing'
  /** 1-based in stage `step`, else 0. */
  readonly step: number
  readonly steps: number
}

export interface RenewItem {
  readonly scope: RegisterScope
  readonly epoch: number
  readonly claimId: string
  readonly boot: string
  readonly stage: Stage
}

export type RegisterRequest =
  | { readonly kind: 'read'; readonly scope: RegisterScope }
  | {
      readonly kind: 'prepare'
      readonly scope: RegisterScope
      readonly ballot: Ballot
      readonly intent: 'op' | 'takeover'
    }
  | {
      readonly kind: 'accept'
      readonly scope: RegisterScope
      readonly ballot: Ballot
      readonly value: RegisterValue
      /** The ballot's peer over (register, witnessEpoch, ballot, hash of value). */
      readonly proposerSig: string
      /** The run's announcement, with the accept of a run register only. */
      readonly announcement: Uint8Array | undefined
    }
  | {
      readonly kind: 'renew'
      readonly items: readonly RenewItem[]
      /** As in `sync`; of the items' store, where all are of one. */
      readonly seenSeq: number
    }
  | {
      readonly kind: 'sync'
      readonly storeId: string
      readonly sinceSeq: number
      readonly limit: number
      readonly openOnly: boolean
      /** The highest sequence of that store that the asker was ever shown, 0 for none (4.8). */
      readonly seenSeq: number
    }
  | { readonly kind: 'announcement'; readonly annHash: string }
  /** A starting witness asks which sequence of its store the other one was shown (4.8). */
  | { readonly kind: 'seen'; readonly storeId: string }

export interface Accepted {
  readonly ballot: Ballot
  readonly value: RegisterValue
  readonly proposerSig: string
}

/** What a witness knows of the current lease by its own clock. */
export interface LeaseView {
  readonly epoch: number
  /** 0 once T_TAKE has passed since the last renewal that this witness saw. */
  readonly remainingMs: number
  readonly stage: Stage | undefined
}

export type RejectCode =
  | 'ballot'
  | 'lease_alive'
  | 'invalid'
  | 'wrong_store'
  | 'wrong_roster'
  | 'gone'
  | 'ballot_jump'
  | 'not_allowed'
  | 'overload'
  | 'equivocation'
  | 'announcement_missing'
  /** Its disk is nearly full: it begins no new register. */
  | 'disk_low'

export type RenewAnswer = 'ok' | 'behind' | 'stale' | 'fenced' | 'gone' | 'moved'

export interface RenewResult {
  readonly register: string
  readonly answer: RenewAnswer
  readonly version: number
  readonly cancel: Cancellation | undefined
  /**
   * With `moved` only: the stop-sign, which a quorum has to show before anybody acts on it (4.9).
   */
  readonly moved?: JobState | undefined
}

export interface SyncItem {
  readonly register: string
  readonly witnessEpoch: number
  readonly seq: number
  readonly version: number
  readonly phase: JobPhase | RunState['phase']
  /** '' for a register that is superseded. */
  readonly annHash: string
}

export type RegisterReply =
  | {
      readonly kind: 'value'
      readonly accepted: Accepted | undefined
      readonly promised: Ballot
      readonly lease: LeaseView | undefined
      readonly wseq: number
    }
  | {
      readonly kind: 'promise'
      readonly ballot: Ballot
      readonly accepted: Accepted | undefined
      readonly lease: LeaseView | undefined
      readonly wseq: number
    }
  | { readonly kind: 'accepted'; readonly ballot: Ballot; readonly wseq: number }
  | {
      readonly kind: 'rejected'
      readonly code: RejectCode
      readonly promised: Ballot | undefined
      readonly remainingMs: number | undefined
      readonly detail: string
    }
  | { readonly kind: 'renewed'; readonly items: readonly RenewResult[] }
  | {
      readonly kind: 'synced'
      readonly storeId: string
      readonly items: readonly SyncItem[]
      /** Ask again from here; equal to the request's sinceSeq when there is nothing new. */
      readonly next: number
      readonly more: boolean
    }
  | { readonly kind: 'announcement'; readonly bytes: Uint8Array | undefined }
  | { readonly kind: 'seen'; readonly seq: number }

/** Gossip about a register: tells whom to ask what, never what is true. */
export interface Hint {
  readonly register: string
  readonly witnessEpoch: number
  readonly version: number
}
