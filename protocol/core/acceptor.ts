import { acceptProblem, roundProblem } from './accept-rules.ts'
import type { Ballot } from './ballot.ts'
import { compareBallots, highestBallot, NO_BALLOT } from './ballot.ts'
import { carriedBallot } from './carried.ts'
import { type FloorOf, isGone } from './floor.ts'
import { permits } from './guard.ts'
import type { LeaseTimer } from './lease-timer.ts'
import {
  heldJob,
  leasedJob,
  leaseView,
  remainingMs,
  sameClaim,
  sameLeaseKey
} from './lease-timer.ts'
import type {
  AnnouncementRef,
  RegisterReply,
  RegisterRequest,
  RegisterValue,
  RejectCode,
  RenewItem,
  RenewResult
} from './messages.ts'
import { epochProblem, isLanding } from './move.ts'
import type { AcceptorRecord, Digest } from './ports.ts'
import { isSealed } from './run-reducer.ts'

/** One register under one witness epoch, at one witness. */
export interface AcceptorState {
  /** Synced before any positive reply that shows it. */
  readonly record: AcceptorRecord
  readonly timer: LeaseTimer
  /**
   * The lease in the record was renewed here by its holder, and so is chosen; also after a restart,
   * which has forgotten whether it was. In memory only, like the timer.
   */
  readonly confirmed: boolean
  /** So was the lease's boot: an adoption is chosen only once the process that made it renews. */
  readonly confirmedBoot: boolean
  /** A tombstone: this register was here and ended, and never comes back (4.12.6). */
  readonly dropped: boolean
}

export interface AcceptorContext {
  /** Boot clock of this witness. */
  readonly nowMs: number
  /** The peer id that the connection proves. */
  readonly remote: string
  readonly remoteIsMember: boolean
  /** The lease length of the roster of this witness epoch. */
  readonly leaseMs: number
  /** Verifier.value of the request's value; read by accept only. */
  readonly valueValid: boolean
  /** Verifier.proposal; read only where the ballot's peer is not the remote. */
  readonly proposalValid: boolean
  readonly digest: Digest
  /**
   * True when this witness has the announcement and the value's annHash, attemptsMax and retriesMax
   * match its manifest; read by accept only, for the first value here of this annHash.
   */
  readonly createValid: boolean
  /** What this witness has synced of each gateway's floor. */
  readonly floorOf: FloorOf
  /**
   * The announcement that the request's value names, whoever asks under which; read by accept only,
   * for the first value here of this annHash. Undefined where it is not known, or for a seal.
   */
  readonly announced: AnnouncementRef | undefined
}

/**
 * `save`: store the record and reply after its sync. `barrier`: the record is unchanged, but reply
 * only after all that was handed to the store so far is synced. `none`: reply at once.
 */
export interface AcceptorStep {
  readonly state: AcceptorState
  readonly reply: RegisterReply
  readonly durability: 'save' | 'barrier' | 'none'
}

export interface RenewStep {
  readonly state: AcceptorState
  readonly result: RenewResult
  readonly durability: 'barrier' | 'none'
}

export type PrepareRequest = Extract<RegisterRequest, { readonly kind: 'prepare' }>
export type AcceptRequest = Extract<RegisterRequest, { readonly kind: 'accept' }>

/**
 * The state of a record just loaded. A restarted witness has forgotten when, and whether, it heard
 * of the holder: it counts the load as a renewal, or it would help to take a living lease over.
 * `dropped` says that a tombstone lies in its place.
 */
export function acceptorOf(
  record: AcceptorRecord | undefined,
  nowMs: number,
  dropped = false
): AcceptorState {
  const confirmed = heldJob(record?.accepted?.value) !== undefined
  return {
    record: record ?? { promised: NO_BALLOT, accepted: undefined },
    timer: { renewedAtMs: nowMs, fenced: false, stage: undefined },
    confirmed,
    confirmedBoot: confirmed,
    dropped
  }
}

/** The state after a drop: what was accepted and promised is forgotten, and stays so. */
export function droppedAcceptor(nowMs: number): AcceptorState {
  return acceptorOf(undefined, nowMs, true)
}

/** CASPaxos phase 1. */
export function prepare(
  state: AcceptorState,
  request: PrepareRequest,
  context: AcceptorContext
): AcceptorStep {
  const { ballot, intent } = request
  const { accepted } = state.record
  // Only its own ballots: with another's, a member could make that one's rounds collide.
  if (!context.remoteIsMember || ballot.peer !== context.remote) {
    return refuse(state, 'not_allowed', 'the ballot is not of a member that sends it itself')
  }
  if (isGoneFor(state, request.scope.ann, context)) return refuseGone(state)
  const highest = highestOf(state)
  const problem = roundProblem(ballot, highest)
  if (problem !== undefined) return refuse(state, problem, 'round', { promised: highest })
  // Not above what was promised or accepted: two values could be accepted under one ballot.
  if (compareBallots(ballot, highest) <= 0) {
    return refuse(state, 'ballot', 'not above the promise', { promised: highest })
  }
  const lease = leaseView(accepted?.value, state.timer, context.nowMs)
  // From the first expired answer on late renewals are refused: else one could land between this
  // promise and the accept, and the claim would fail for nothing.
  const fenced = state.timer.fenced || (intent === 'takeover' && lease?.remainingMs === 0)
  return {
    state: {
      ...state,
      record: { promised: ballot, accepted },
      timer: { ...state.timer, fenced }
    },
    reply: { kind: 'promise', ballot, accepted, lease, wseq: 0 },
    durability: 'save'
  }
}

/** CASPaxos phase 2, with the lease guard. */
export function accept(
  state: AcceptorState,
  request: AcceptRequest,
  context: AcceptorContext
): AcceptorStep {
  const { ballot, value, proposerSig } = request
  const { digest, nowMs } = context
  const { accepted } = state.record
  // A relayed accept counts only with its proposer's own signature: repair needs no trust
  // (4.12.17).
  if (!context.remoteIsMember || (ballot.peer !== context.remote && !context.proposalValid)) {
    return refuse(state, 'not_allowed', 'the proposal is neither the sender’s own nor signed')
  }
  // A late or doubled accept after a drop would revive the register (4.12.5); so would one whose
  // sender knows the run by another gateway's announcement.
  const refs = [request.scope.ann, context.announced]
  if (refs.some((ann) => isGoneFor(state, ann, context))) return refuseGone(state)
  const highest = highestOf(state)
  const problem = roundProblem(ballot, highest)
  if (problem !== undefined) return refuse(state, problem, 'round', { promised: highest })
  // Before the promise is looked at: the first time may have promised more than it accepted.
  if (accepted !== undefined && compareBallots(ballot, accepted.ballot) === 0) {
    return repeated(state, request, context)
  }
  if (compareBallots(ballot, highest) < 0) {
    return refuse(state, 'ballot', 'below the promise', { promised: highest })
  }
  const refusal = acceptRefusal(state, request, context)
  if (refusal !== undefined) return refusal
  const promised = promiseOf(request, context)
  const record = { promised, accepted: { ballot, value, proposerSig } }
  return {
    state: {
      record,
      timer: timerAfter(state, value, nowMs, digest),
      // What lands was chosen where it comes from, and its lease with it.
      confirmed: isLanding(value) || (state.confirmed && sameClaim(accepted?.value, value)),
      confirmedBoot: state.confirmedBoot && sameLeaseKey(accepted?.value, value),
      dropped: false
    },
    reply: { kind: 'accepted', ballot, wseq: 0 },
    durability: 'save'
  }
}

/** What this witness has accepted; changes nothing. */
export function read(
  state: AcceptorState,
  ann: AnnouncementRef | undefined,
  context: AcceptorContext
): AcceptorStep {
  if (isGoneFor(state, ann, context)) return refuseGone(state)
  const { promised, accepted } = state.record
  const lease = leaseView(accepted?.value, state.timer, context.nowMs)
  // Shown only once synced: a value read here and lost in a crash would be a false witness.
  const reply = { kind: 'value', accepted, promised, lease, wseq: 0 } as const
  return { state, reply, durability: 'barrier' }
}

/** A soft renewal: no ballot, no write. Promises are irrelevant here. */
export function renew(state: AcceptorState, item: RenewItem, context: AcceptorContext): RenewStep {
  const value = state.record.accepted?.value
  const job = value?.kind === 'job' ? value : undefined
  const step = (answer: RenewResult['answer'], next = state): RenewStep => ({
    state: next,
    result: {
      register: item.scope.register,
      answer,
      version: job?.version ?? 0,
      cancel: job?.cancel,
      ...(answer === 'moved' ? { moved: job } : {})
    },
    // These show a record: not before it is synced, or a witness could renew an epoch,
    // crash without it, and help to grant the next one (4.12.1).
    durability: SHOWING.has(answer) ? 'barrier' : 'none'
  })
  if (isGoneFor(state, item.scope.ann, context)) return step('gone')
  if (!context.remoteIsMember || job === undefined) return step('behind')
  if (!(job.epoch >= item.epoch)) return step('behind')
  if (job.phase === 'moved') return step('moved')
  const lease = leasedJob(job)?.lease
  if (lease === undefined || job.epoch > item.epoch) return step('stale')
  const same = lease.claimId === item.claimId && lease.boot === item.boot
  // Another claim's lease of the same epoch: this witness missed the chosen one (4.12.16).
  if (lease.holder !== context.remote || !same) return step('behind')
  if (state.timer.fenced) return step('fenced')
  const timer = { ...state.timer, renewedAtMs: context.nowMs, stage: item.stage }
  return step('ok', { ...state, timer, confirmed: true, confirmedBoot: true })
}

const SHOWING: ReadonlySet<RenewResult['answer']> = new Set(['ok', 'stale', 'moved'])

function isGoneFor(
  { record, dropped }: AcceptorState,
  ann: AnnouncementRef | undefined,
  { floorOf }: AcceptorContext
): boolean {
  return isGone({ value: record.accepted?.value, dropped }, ann, floorOf)
}

// No write, and nothing shown: what it rests on is on the disk already, or is a record that ended.
function refuseGone(state: AcceptorState): AcceptorStep {
  return refuse(state, 'gone', 'the run has ended and was dropped here')
}

function highestOf(state: AcceptorState): Ballot {
  return highestBallot(state.record.promised, state.record.accepted?.ballot ?? NO_BALLOT)
}

/**
 * What an accept promises. The holder's own promises its next round in the same record: synced
 * apart, another round could come between the two, and the holder would write over its value.
 */
function promiseOf(request: AcceptRequest, { remote }: AcceptorContext): Ballot {
  const { ballot } = request
  // One that is relayed by another promises nothing: nobody waits for it.
  return (ballot.peer === remote ? carriedBallot(request) : undefined) ?? ballot
}

// A repeat of what is accepted waits for the sync too: the first reply may still be waiting for it.
function repeated(
  state: AcceptorState,
  request: AcceptRequest,
  context: AcceptorContext
): AcceptorStep {
  const { digest } = context
  const { accepted, promised } = state.record
  const known = accepted?.value
  if (known === undefined || digest.hash(known) !== digest.hash(request.value)) {
    return refuse(state, 'equivocation', 'another value under the ballot accepted before')
  }
  const reply = { kind: 'accepted', ballot: request.ballot, wseq: 0 } as const
  // Brought here by another first, it has not promised yet what its proposer now counts on.
  const record = { accepted, promised: highestBallot(promised, promiseOf(request, context)) }
  const promisesMore = compareBallots(record.promised, promised) > 0
  if (promisesMore) return { state: { ...state, record }, reply, durability: 'save' }
  return { state, reply, durability: 'barrier' }
}

function acceptRefusal(
  state: AcceptorState,
  request: AcceptRequest,
  context: AcceptorContext
): AcceptorStep | undefined {
  const { value } = request
  const known = state.record.accepted?.value
  const { register, witnessEpoch } = request.scope
  const problem =
    acceptProblem(known, register, value, context) ?? epochProblem(value, witnessEpoch)
  if (problem !== undefined) return refuse(state, 'invalid', problem)
  if (!isSealed(value) && known?.annHash !== value.annHash && !context.createValid) {
    return refuse(state, 'announcement_missing', 'no announcement here that this value matches')
  }
  const leftMs = remainingMs(known, state.timer, context.nowMs)
  // THE GUARD: a living lease ends only by its holder or by the clock of this witness.
  const { confirmed, confirmedBoot } = state
  if (permits(known, value, { leftMs, confirmed, confirmedBoot })) return
  return refuse(state, 'lease_alive', 'the lease is alive here', { remainingMs: leftMs })
}

function timerAfter(
  state: AcceptorState,
  value: RegisterValue,
  nowMs: number,
  digest: Digest
): LeaseTimer {
  const known = state.record.accepted?.value
  const job = leasedJob(value)
  if (job === undefined) return state.timer
  const sameLease = sameLeaseKey(known, value)
  const changed = known === undefined || digest.hash(known) !== digest.hash(value)
  const byHolder = changed && job.op.actor === job.lease.holder
  // The same lease written back by a reader must not look like a renewal: readers would keep a dead
  // holder's lease alive for ever. Another claim of the same epoch must: an unchosen rival's old
  // timer would else run out under the winner.
  if (sameLease && !byHolder) return state.timer
  const stage = sameLease ? state.timer.stage : undefined
  return { renewedAtMs: nowMs, fenced: false, stage }
}

function refuse(
  state: AcceptorState,
  code: RejectCode,
  detail: string,
  facts: { readonly promised?: Ballot; readonly remainingMs?: number } = {}
): AcceptorStep {
  const { promised, remainingMs: leftMs } = facts
  const reply = { kind: 'rejected', code, promised, remainingMs: leftMs, detail } as const
  return { state, reply, durability: 'none' }
}
