import type { Ballot } from './ballot.ts'
import { carriedBallot } from './carried.ts'
import type { ChangeFacts, ChangeRequest, ChangeVerdict, ProposerEffect } from './change.ts'
import type { Answer } from './decide.ts'
import { isGoneAt } from './floor.ts'
import { BACKOFF_MS_MAX, BACKOFF_MS_MIN, BALLOT_JUMP_MAX, CHANGE_ROUNDS_MAX } from './limits.ts'
import type { Accepted, RegisterRequest, RegisterScope, RegisterValue } from './messages.ts'
import type { Digest } from './ports.ts'
import type { Tally } from './tally.ts'
import { isFull, outstanding, quorumOfTally, refusals, tallyOf } from './tally.ts'
import type { WitnessRef } from './witnesses.ts'

/** One change on its way (lease-protocol 4.6); a new one for every op and its retries. */
export interface ProposerState {
  readonly request: ChangeRequest
  readonly digest: Digest
  readonly phase: Phase
  /** Waves and signatures so far: an answer to an older wave only teaches its rounds. */
  readonly attempt: number
  /** Rounds that came to nothing, of at most CHANGE_ROUNDS_MAX. */
  readonly rounds: number
  /** The highest round this change has used; never lowered, whatever the answers say. */
  readonly ownRound: number
  readonly seenRound: number
  /** The highest ballot that an accept was sent under: its value may be chosen at any time. */
  readonly sent: Ballot | undefined
}

export type Phase =
  | { readonly kind: 'read'; readonly tally: Tally }
  | { readonly kind: 'prepare'; readonly ballot: Ballot; readonly tally: Tally }
  | SignPhase
  | AcceptPhase
  /** With the accept that came to no quorum: a late answer may still complete it. */
  | { readonly kind: 'backoff'; readonly after: AcceptPhase | undefined }
  | { readonly kind: 'done' }

/** Decided, and on its way to the key: nothing of it is out. */
export interface SignPhase {
  readonly kind: 'sign'
  readonly ballot: Ballot
  readonly value: RegisterValue
  readonly answer: Answer
}

export interface AcceptPhase {
  readonly kind: 'accept'
  readonly proposal: Accepted
  readonly answer: Answer
  readonly tally: Tally
}

export type Step = readonly [ProposerState, readonly ProposerEffect[]]

/**
 * The round after these. Capped, because witnesses refuse a jump above BALLOT_JUMP_MAX: one of them
 * that was dragged far up must not drag us out of the reach of all others.
 */
export function nextRound(ownRound: number, seenRound: number): number {
  return Math.max(ownRound + 1, Math.min(seenRound + 1, ownRound + BALLOT_JUMP_MAX))
}

/** True when some witness may hold an accept of this op that no quorum is known to hold. */
export function mayBeOut({ request, sent }: ProposerState): boolean {
  return sent !== undefined || request.ambiguous
}

export function readWave(state: ProposerState): Step {
  const tally = tallyOf(state.request.witnesses)
  return wave({ ...state, phase: { kind: 'read', tally } }, (scope) => ({ kind: 'read', scope }))
}

export function prepareWave(before: ProposerState): Step {
  const { me, boot, op, witnesses } = before.request
  const round = nextRound(before.ownRound, before.seenRound)
  const ballot = { round, peer: me, boot }
  const phase = { kind: 'prepare', ballot, tally: tallyOf(witnesses) } as const
  const state = { ...before, phase, ownRound: round }
  const ends = op?.body.kind === 'claim' || op?.body.kind === 'error'
  const intent = ends ? 'takeover' : 'op'
  return wave(state, (scope) => ({ kind: 'prepare', scope, ballot, intent }))
}

/** Before an accept. Whatever still comes of the wave before says nothing any more. */
export function signing(
  before: ProposerState,
  ballot: Ballot,
  { value, ...answer }: Answer & { readonly value: RegisterValue }
): Step {
  const { register, witnessEpoch } = before.request
  const attempt = before.attempt + 1
  const phase = { kind: 'sign', ballot, value, answer } as const
  const valueHash = before.digest.hash(value)
  const statement = { register, witnessEpoch, ballot, valueHash }
  return [{ ...before, phase, attempt }, [{ kind: 'sign', ...statement, attempt }]]
}

export function acceptWave(
  before: ProposerState,
  { ballot, value, answer }: SignPhase,
  proposerSig: string
): Step {
  const { ann, announcement: bytes, witnesses } = before.request
  const proposal = { ballot, value, proposerSig }
  const phase = { kind: 'accept', proposal, answer, tally: tallyOf(witnesses) } as const
  const announcement = value.annHash === ann.annHash ? bytes : undefined
  // What this accept promises besides is used up with it: the same ballot again would be refused.
  const ownRound = Math.max(before.ownRound, carriedBallot(proposal)?.round ?? 0)
  return wave({ ...before, phase, sent: ballot, ownRound }, (scope) => ({
    kind: 'accept',
    scope,
    ...proposal,
    announcement
  }))
}

function wave(before: ProposerState, messageTo: (scope: RegisterScope) => RegisterRequest): Step {
  const attempt = before.attempt + 1
  const { witnesses, profile } = before.request
  const sends = witnesses.map((ref): ProposerEffect => {
    const message = messageTo(scopeOf(before.request, ref))
    return { kind: 'send', to: ref.peerId, message, attempt }
  })
  const afterMs = profile.requestTimeoutMs
  const timer: ProposerEffect = { kind: 'arm', timer: 'request', afterMs, attempt }
  return [{ ...before, attempt }, [...sends, timer]]
}

function scopeOf(request: ChangeRequest, { storeId }: WitnessRef): RegisterScope {
  const { register, witnessEpoch, ann } = request
  return { register, witnessEpoch, storeId, ann }
}

export function backOff(before: ProposerState, after: AcceptPhase | undefined): Step {
  const { phase, attempt } = before
  const rounds = before.rounds + 1
  const tally = 'tally' in phase ? phase.tally : tallyOf(before.request.witnesses)
  const answered = tally.replies.size
  // Definite, whatever of ours is still out there: what is dropped had ended, and takes no op.
  if (isGoneAt(tally.replies.values(), quorumOfTally(tally))) {
    const verdict = { kind: 'rejected', reason: 'gone', value: undefined } as const
    return done(before, verdict, { chosen: undefined, lagging: [], tally })
  }
  const state: ProposerState = { ...before, phase: { kind: 'backoff', after }, rounds }
  if (rounds >= CHANGE_ROUNDS_MAX || isFull(tally)) {
    const verdict = { kind: 'unresolved', answered, ambiguous: mayBeOut(before) } as const
    return done(state, verdict, { chosen: undefined, lagging: [], tally })
  }
  const maxMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** before.rounds)
  return [state, [{ kind: 'arm', timer: 'backoff', maxMs, attempt }]]
}

export function done(
  state: ProposerState,
  verdict: ChangeVerdict,
  facts: Pick<ChangeFacts, 'chosen' | 'carried' | 'lagging'> & { readonly tally: Tally }
): Step {
  const { tally, ...known } = facts
  const highestRound = nextRound(state.ownRound, state.seenRound) - 1
  const rest = { highestRound, outstanding: outstanding(tally), refused: refusals(tally) }
  const effect: ProposerEffect = { kind: 'done', result: { ...verdict, ...known, ...rest } }
  return [{ ...state, phase: { kind: 'done' } }, [effect]]
}
