import type { Ballot } from './ballot.ts'
import { compareBallots } from './ballot.ts'
import type { Accepted, RegisterReply } from './messages.ts'
import type { ProposerState } from './proposer-waves.ts'
import { valueProblem } from './value-rules.ts'

/**
 * False for an answer to another question than the one that is out, about another ballot, or with a
 * value that no reducer makes: it counts as none.
 */
export function isSound({ phase, request }: ProposerState, reply: RegisterReply): boolean {
  const wave = phase.kind === 'backoff' ? phase.after : phase
  switch (reply.kind) {
    case 'rejected':
      return true
    case 'value':
      return wave?.kind === 'read' && isSoundValue(request.register, reply.accepted)
    case 'promise': {
      const asked = wave?.kind === 'prepare' && isSame(wave.ballot, reply.ballot)
      return asked && isSoundValue(request.register, reply.accepted)
    }
    case 'accepted':
      return wave?.kind === 'accept' && isSame(wave.proposal.ballot, reply.ballot)
    default:
      return false
  }
}

function isSoundValue(register: string, accepted: Accepted | undefined): boolean {
  return accepted === undefined || valueProblem(register, accepted.value) === undefined
}

function isSame(a: Ballot, b: Ballot): boolean {
  return compareBallots(a, b) === 0
}

/**
 * Takes note of every round an answer mentions, however late it comes: our next one must be above.
 */
export function learnRounds(state: ProposerState, reply: RegisterReply): ProposerState {
  const round = highestIn(reply)
  return round > state.seenRound ? { ...state, seenRound: round } : state
}

function highestIn(reply: RegisterReply): number {
  switch (reply.kind) {
    case 'value':
      return Math.max(known(reply.promised), known(reply.accepted?.ballot))
    case 'promise':
      return known(reply.accepted?.ballot)
    case 'rejected':
      return known(reply.promised)
    default:
      return 0
  }
}

/** 0 for what is no round: one of a hostile witness must not become ours. */
function known(ballot: Ballot | undefined): number {
  const round = ballot?.round ?? 0
  return Number.isSafeInteger(round) ? round : 0
}
