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
  const rounds = roundsIn(reply).filter((round) => Number.isSafeInteger(round))
  return { ...state, seenRound: Math.max(state.seenRound, ...rounds) }
}

function roundsIn(reply: RegisterReply): readonly number[] {
  switch (reply.kind) {
    case 'value':
      return [reply.promised.round, reply.accepted?.ballot.round ?? 0]
    case 'promise':
      return [reply.accepted?.ballot.round ?? 0]
    case 'rejected':
      return [reply.promised?.round ?? 0]
    default:
      return []
  }
}
