import { type Carried, carriedBallot } from './carried.ts'
import type { ChangeRequest, ChangeVerdict, ProposerEvent } from './change.ts'
import type { Answer } from './decide.ts'
import { decidePromises, decideRead } from './decide.ts'
import type { Accepted, RegisterReply } from './messages.ts'
import type { Digest } from './ports.ts'
import { isSound, learnRounds } from './proposer-answers.ts'
import type { AcceptPhase, Phase, ProposerState, Step } from './proposer-waves.ts'
import {
  acceptWave,
  backOff,
  done,
  mayBeOut,
  prepareWave,
  readWave,
  signing
} from './proposer-waves.ts'
import { count, countOf, isHopeless, outstanding, quorumOfTally, repliesOf } from './tally.ts'

export function startChange(request: ChangeRequest, digest: Digest): Step {
  const carried = usableCarried(request)
  const ownRound = Math.max(0, request.firstRound - 1, carried?.ballot.round ?? 0)
  const state: ProposerState = {
    request,
    digest,
    phase: { kind: 'done' },
    attempt: 0,
    rounds: 0,
    ownRound,
    seenRound: ownRound,
    sent: undefined
  }
  return carried === undefined ? prepareWave(state) : goOn(state, carried)
}

/**
 * What a change may go on from without a prepare. Not where the op ends somebody's lease: that
 * needs to hear from a quorum how long it still lives.
 */
function usableCarried({ carried, op, me, boot }: ChangeRequest): Carried | undefined {
  const kind = op?.body.kind
  if (carried === undefined || kind === undefined || kind === 'claim' || kind === 'error') return
  const { ballot } = carried
  return ballot.peer === me && ballot.boot === boot ? carried : undefined
}

/** A quorum has promised already: as if its promises, all with what it accepted, had just come. */
function goOn(state: ProposerState, { ballot, accepted }: Carried): Step {
  const promise = { kind: 'promise', ballot, accepted, lease: undefined, wseq: 0 } as const
  const decision = decidePromises(state, new Map([[ballot.peer, promise]]))
  // Neither can be said of an op that ends no lease, on a register that holds something.
  if (decision.kind === 'nothing' || decision.kind === 'held') return prepareWave(state)
  return signing(state, ballot, decision)
}

export function stepChange(before: ProposerState, event: ProposerEvent): Step {
  const state = event.kind === 'reply' ? learnRounds(before, event.reply) : before
  if (event.attempt !== state.attempt) return [state, []]
  if (event.kind === 'timer') return onTimer(state, event.timer)
  if (event.kind === 'signed') return onSigned(state, event.proposerSig)
  const reply = event.kind === 'reply' && isSound(state, event.reply) ? event.reply : undefined
  return onAnswer(state, event.from, reply)
}

// Once: a second accept wave under one ballot would be one of another signature.
function onSigned(state: ProposerState, proposerSig: string): Step {
  const { phase } = state
  return phase.kind === 'sign' ? acceptWave(state, phase, proposerSig) : [state, []]
}

function onTimer(state: ProposerState, timer: 'request' | 'backoff'): Step {
  const { phase } = state
  if (timer === 'backoff') return phase.kind === 'backoff' ? readWave(state) : [state, []]
  if (phase.kind === 'read' || phase.kind === 'prepare') return conclude(state, phase)
  return phase.kind === 'accept' ? backOff(state, phase) : [state, []]
}

function onAnswer(state: ProposerState, from: string, reply: RegisterReply | undefined): Step {
  const { phase } = state
  switch (phase.kind) {
    case 'read': {
      const counted = { ...phase, tally: count(phase.tally, from, reply) }
      const heard = { ...state, phase: counted }
      const enough = countOf(counted.tally, 'value') >= quorumOfTally(counted.tally)
      return enough || isHopeless(counted.tally, 'value') ? conclude(heard, counted) : [heard, []]
    }
    case 'prepare':
      return onPromise(state, { ...phase, tally: count(phase.tally, from, reply) })
    case 'accept':
      return onAccepted(state, { ...phase, tally: count(phase.tally, from, reply) })
    case 'backoff': {
      if (phase.after === undefined || reply?.kind !== 'accepted') return [state, []]
      const after = { ...phase.after, tally: count(phase.after.tally, from, reply) }
      const late = { ...state, phase: { ...phase, after } }
      return isChosen(after) ? finish(late, after) : [late, []]
    }
    default:
      return [state, []]
  }
}

function onPromise(before: ProposerState, phase: Extract<Phase, { kind: 'prepare' }>): Step {
  const state = { ...before, phase }
  if (countOf(phase.tally, 'promise') < quorumOfTally(phase.tally)) {
    return isHopeless(phase.tally, 'promise') ? backOff(state, undefined) : [state, []]
  }
  const decision = decidePromises(state, repliesOf(phase.tally, 'promise'))
  // A witness that is still to answer may be the one whose timer is over as well.
  const lives = decision.kind === 'busy' || decision.kind === 'held'
  const wait = lives && outstanding(phase.tally).length > 0
  return wait ? [state, []] : conclude(state, phase)
}

/** Ends a wave of reads or prepares, by its quorum or by its time. */
function conclude(state: ProposerState, phase: Extract<Phase, { kind: 'read' | 'prepare' }>): Step {
  const { tally } = phase
  if (phase.kind === 'read') {
    const replies = repliesOf(tally, 'value')
    if (replies.size < quorumOfTally(tally)) return backOff(state, undefined)
    const found = decideRead(state, replies)
    if (found === undefined) return prepareWave(state)
    return done(state, found.verdict, { chosen: found.accepted, lagging: found.lagging, tally })
  }
  const promises = repliesOf(tally, 'promise')
  if (promises.size < quorumOfTally(tally)) return backOff(state, undefined)
  const decision = decidePromises(state, promises)
  if (decision.kind === 'nothing') {
    // An accept of an earlier round may still surface: only with none out there is this a no.
    if (mayBeOut(state)) return backOff(state, undefined)
    const verdict = { kind: 'rejected', reason: decision.reason, value: undefined } as const
    return done(state, verdict, { chosen: undefined, lagging: [], tally })
  }
  if (decision.kind !== 'held') return signing(state, phase.ballot, decision)
  const verdict = { ...decision, kind: 'busy' } as const
  if (mayBeOut(state)) return signing(state, phase.ballot, verdict)
  return done(state, verdict, { chosen: undefined, lagging: [], tally })
}

function onAccepted(before: ProposerState, phase: AcceptPhase): Step {
  const state = { ...before, phase }
  if (isChosen(phase)) return finish(state, phase)
  // A majority of no ends the round at once; it is never a no to the op: others may have accepted.
  return isHopeless(phase.tally, 'accepted') ? backOff(state, phase) : [state, []]
}

function isChosen({ tally }: AcceptPhase): boolean {
  return countOf(tally, 'accepted') >= quorumOfTally(tally)
}

function finish(state: ProposerState, { proposal, answer, tally }: AcceptPhase): Step {
  const yes = repliesOf(tally, 'accepted')
  const waiting = outstanding(tally)
  const lagging = tally.witnesses
    .map(({ peerId }) => peerId)
    .filter((peer) => !yes.has(peer) && !waiting.includes(peer))
  const verdict = verdictOf(answer, proposal)
  const ballot = carriedBallot(proposal)
  const carried = ballot === undefined ? undefined : { ballot, accepted: proposal }
  return done(state, verdict, { chosen: proposal, carried, lagging, tally })
}

function verdictOf(answer: Answer, { value }: Accepted): ChangeVerdict {
  switch (answer.kind) {
    case 'rejected':
      return { kind: 'rejected', reason: answer.reason, value }
    case 'busy':
      return { kind: 'busy', retryInMs: answer.retryInMs, value }
    default:
      return { kind: answer.kind, value }
  }
}
