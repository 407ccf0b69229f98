import type { Ballot } from './ballot.ts'
import type { Carried } from './carried.ts'
import type { JobOp, JobState } from './job.ts'
import type { RejectReason } from './job-reducer.ts'
import type { LeaseProfile } from './lease-profile.ts'
import type {
  Accepted,
  AnnouncementRef,
  RegisterReply,
  RegisterRequest,
  RegisterValue,
  RejectCode
} from './messages.ts'
import type { RunOp } from './run.ts'
import type { WitnessRef } from './witnesses.ts'

/**
 * One change of one register. At most one is in flight per register and process: two would draw the
 * same ballots.
 */
export interface ChangeRequest {
  readonly register: string
  readonly witnessEpoch: number
  readonly ann: AnnouncementRef
  readonly witnesses: readonly WitnessRef[]
  readonly me: string
  /** Nonce of this process: ballots of an earlier one are never used again. */
  readonly boot: string
  /** Undefined writes the newest value back, so that a read becomes definite. */
  readonly op: JobOp | RunOp | undefined
  /** The announcement's bytes, with the create of a run only. */
  readonly announcement: Uint8Array | undefined
  /** Begins an empty register with this value, whole, in place of an op: where a job has moved. */
  readonly landing?: JobState | undefined
  /** The create that an empty job's register gets together with `op`, in one value. */
  readonly create?: JobOp | undefined
  /** Of the last change of this register by this process, given to no other one. */
  readonly carried?: Carried | undefined
  readonly profile: LeaseProfile
  /** True when an earlier change with this op ended ambiguous: a no then needs a write-back. */
  readonly ambiguous: boolean
  /** One above the `highestRound` of the last change of this register, 1 for the first. */
  readonly firstRound: number
}

export type ProposerEvent =
  | {
      readonly kind: 'reply'
      readonly from: string
      readonly attempt: number
      readonly reply: RegisterReply
    }
  /** What was to be signed is. */
  | { readonly kind: 'signed'; readonly attempt: number; readonly proposerSig: string }
  /** No answer will come: not connected, timed out, or not a reply. */
  | { readonly kind: 'failed'; readonly from: string; readonly attempt: number }
  | {
      readonly kind: 'timer'
      readonly timer: 'request' | 'backoff'
      readonly attempt: number
    }

/**
 * `attempt` counts the waves of requests and the signatures of one change: events give back that of
 * their effect.
 */
export type ProposerEffect =
  /** Our own proposal: nothing of it leaves before it is signed. */
  | {
      readonly kind: 'sign'
      readonly register: string
      readonly witnessEpoch: number
      readonly ballot: Ballot
      readonly valueHash: string
      readonly attempt: number
    }
  | {
      readonly kind: 'send'
      readonly to: string
      readonly message: RegisterRequest
      readonly attempt: number
    }
  | {
      readonly kind: 'arm'
      readonly timer: 'request'
      readonly afterMs: number
      readonly attempt: number
    }
  /** To be armed with uniform(0, maxMs): proposers that collided must not collide again. */
  | {
      readonly kind: 'arm'
      readonly timer: 'backoff'
      readonly maxMs: number
      readonly attempt: number
    }
  | { readonly kind: 'done'; readonly result: ChangeResult }

/** What became of a change. All but `unresolved` are definite: no later event can change them. */
export type ChangeVerdict =
  | { readonly kind: 'applied'; readonly value: RegisterValue }
  /**
   * The op is in the register's past; `value` is what the register holds now. A claim has succeeded
   * only if holdsLease(value, ...) too (4.12.2).
   */
  | { readonly kind: 'same'; readonly value: RegisterValue }
  | {
      readonly kind: 'rejected'
      readonly reason: RejectReason
      readonly value: RegisterValue | undefined
    }
  /** The lease is alive at too many witnesses; look again after `retryInMs`. */
  | { readonly kind: 'busy'; readonly retryInMs: number; readonly value: RegisterValue }
  /** No quorum within the rounds of one change; with `ambiguous` the op may yet be applied. */
  | { readonly kind: 'unresolved'; readonly answered: number; readonly ambiguous: boolean }

export interface ChangeFacts {
  /** The highest round used or heard of; the next change of this register starts above it. */
  readonly highestRound: number
  /** What a quorum has accepted: to be pushed to those that lag (4.12.17). */
  readonly chosen: Accepted | undefined
  /** Witnesses known to be without `chosen`. */
  readonly lagging: readonly string[]
  /** Witnesses whose answer was not awaited. */
  readonly outstanding: readonly string[]
  /** For the next change of this register by this process, and only for that. */
  readonly carried?: Carried | undefined
  /** Why witnesses said no in the last wave. */
  readonly refused: readonly { readonly peer: string; readonly code: RejectCode }[]
}

export type ChangeResult = ChangeVerdict & ChangeFacts
