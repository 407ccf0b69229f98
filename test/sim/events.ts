import type { Ballot } from '../../protocol/core/ballot.ts'
import type { JobOp } from '../../protocol/core/job.ts'
import type { RegisterValue, RenewResult } from '../../protocol/core/messages.ts'
import type { RunOp } from '../../protocol/core/run.ts'

/** One register under one witness epoch, `register@epoch`. */
export type Place = string

/** A value under a ballot, with the digest that names it. */
export interface Written {
  readonly ballot: Ballot
  readonly hash: string
  readonly value: RegisterValue
}

/**
 * What happened, as somebody who sees all hosts at once would write it down. Checkers see nothing
 * else: what they say does not rest on the code that they judge. Times in fields are true time,
 * but for `localMs`, which is the boot clock of the store's host.
 */
export type Fact =
  /** A proposer begins a round, or sends its accept. */
  | {
      readonly kind: 'prepares'
      readonly by: string
      readonly place: Place
      readonly ballot: Ballot
    }
  | ({ readonly kind: 'proposes'; readonly by: string; readonly place: Place } & Written)
  /** In memory of a witness; `lease` is the claim that its record is leased to. */
  | {
      readonly kind: 'promises'
      readonly store: string
      readonly place: Place
      readonly ballot: Ballot
      readonly localMs: number
      readonly lease: string | undefined
    }
  | ({
      readonly kind: 'takes'
      readonly store: string
      readonly place: Place
      readonly localMs: number
      readonly before: RegisterValue | undefined
      /** False for a repeat of what it held already. */
      readonly changes: boolean
    } & Written)
  | {
      readonly kind: 'renews'
      readonly store: string
      readonly place: Place
      readonly claimId: string
      /** Of the process that renews. */
      readonly boot: string
      readonly localMs: number
    }
  /** It does not renew: nothing of that lease is here, or another has it. */
  | {
      readonly kind: 'refuses'
      readonly store: string
      readonly place: Place
      readonly answer: RenewResult['answer']
    }
  /** A witness process has its store open. */
  | { readonly kind: 'boots'; readonly store: string; readonly localMs: number }
  | {
      readonly kind: 'syncs'
      readonly store: string
      readonly place: Place
      readonly promised: Ballot
      readonly accepted: Written | undefined
    }
  /** A positive reply leaves a witness, and shows this much of its record. */
  | {
      readonly kind: 'replies'
      readonly store: string
      readonly place: Place
      readonly what: 'promise' | 'accepted' | 'value' | 'ok' | 'stale'
      readonly promised: Ballot | undefined
      readonly accepted: Ballot | undefined
      /** The claim that it is leased to, and how long it lets no other in, as the reply says. */
      readonly lease: string | undefined
      readonly remainingMs: number | undefined
      /** The boot clock when the answer was made, which is before it left. */
      readonly madeAtMs: number
    }
  /** With its yes to an accept a witness owes the proposer this promise: it goes on from there. */
  | {
      readonly kind: 'owes'
      readonly store: string
      readonly place: Place
      readonly promised: Ballot
    }
  /** The store has lost or forgotten something, whether or not anybody knows. */
  | { readonly kind: 'damaged'; readonly store: string }
  | ({ readonly kind: 'chosen'; readonly place: Place } & Written)
  /** A holder believes in its lease until `untilMs`. */
  | {
      readonly kind: 'holds'
      readonly by: string
      readonly boot: string
      readonly job: string
      readonly epoch: number
      readonly claimId: string
      readonly untilMs: number
    }
  /** It believes no longer: lost, or its end is about to be proposed. */
  | { readonly kind: 'lets_go'; readonly claimId: string }
  /** A container's own commands begin; its deadline file says `untilMs`. */
  | {
      readonly kind: 'user_code'
      readonly host: string
      readonly job: string
      readonly epoch: number
      readonly claimId: string
      readonly untilMs: number
    }
  /** The deadline file of a claim says another time. */
  | {
      readonly kind: 'deadline'
      readonly host: string
      readonly claimId: string
      readonly untilMs: number
    }
  /** The steps of a cancelled job are told to end, and have some time for it. */
  | { readonly kind: 'told_to_end'; readonly claimId: string }
  /** Lease or network is lost: its agent, which can act now, has to end it. And does so. */
  | { readonly kind: 'must_end' | 'removes'; readonly claimId: string }
  /** The container of a claim runs, with or without a command of its job; and no more. */
  | { readonly kind: 'starts' | 'stops'; readonly claimId: string }
  /** Nothing of the claim runs any more. */
  | { readonly kind: 'ends'; readonly claimId: string; readonly exit: number }
  /** Lines of an attempt are shown under these numbers; `line` is the first of them as written. */
  | {
      readonly kind: 'logs'
      readonly job: string
      readonly epoch: number
      readonly first: number
      readonly last: number
      readonly line: number
    }
  /** A whole host is suspended: nothing on it runs until then, and its boot clock goes on. */
  | { readonly kind: 'sleeps'; readonly host: string; readonly untilMs: number }
  /** Its boot clock stood still, as under a hypervisor that hides a pause: beyond all bounds. */
  | { readonly kind: 'lags'; readonly host: string }
  | { readonly kind: 'inboxed' | 'received'; readonly gateway: string; readonly delivery: string }
  /** Somebody is told that the run is accepted, by this announcement. */
  | {
      readonly kind: 'shown'
      readonly gateway: string
      readonly place: Place
      readonly annHash: string
    }
  /** Somebody looks for a run at these witnesses. */
  | {
      readonly kind: 'addresses'
      readonly by: string
      readonly runId: string
      readonly witnessEpoch: number
      readonly stores: string
    }
  /** A witness takes the first value of a register, announced under this number; its floor. */
  | {
      readonly kind: 'creates'
      readonly store: string
      readonly place: Place
      readonly gateway: string
      readonly gwSeq: number
    }
  | {
      readonly kind: 'floor'
      readonly store: string
      readonly gateway: string
      readonly gwSeq: number
    }
  /** A store has forgotten a register for good, and has that on its disk. */
  | { readonly kind: 'drops'; readonly store: string; readonly place: Place }
  /** And that it has dropped it, long after. */
  | { readonly kind: 'forgets'; readonly store: string; readonly place: Place }
  /** A definite answer to an op, and the value that it rests on; '' for an empty register. */
  | {
      readonly kind: 'hears'
      readonly place: Place
      readonly op: JobOp | RunOp
      readonly answer: 'applied' | 'same' | 'rejected' | 'busy'
      readonly base: string
    }
  | { readonly kind: 'fault'; readonly what: string; readonly whom: string }

export type SimEvent = Fact & { readonly atMs: number }

/** Judges events as they come; undefined for those that break nothing. */
export type Checker = (event: SimEvent) => string | undefined

export function keyOf({ round, peer, boot }: Ballot): string {
  return `${round}/${peer}/${boot}`
}
