import type { Ballot } from './ballot.ts'
import { compareBallots } from './ballot.ts'
import type { Accepted, RegisterReply } from './messages.ts'
import type { Phase, ProposerState } from './proposer-waves.ts'
import { valueProblem } from './value-rules.ts'

/** False for an answer about another ballot, or with a value that no reducer makes: it counts as none. */
export function isSound({ phase, request }: ProposerState, reply: RegisterReply): boolean {
  switch (reply.kind) {
    case 'value':
      return isSoundValue(request.register, reply.accepted)
    case 'promise':
      return isAbout(phase, reply.ballot) && isSoundValue(request.register, reply.accepted)
    case 'accepted':
      return isAbout(phase, reply.ballot)
    default:
      return true
  }
}

function isSoundValue(register: string, accepted: Accepted | undefined): boolean {
  return accepted === undefined || valueProblem(register, accepted.value) === undefined
}

function isAbout(phase: Phase, ballot: Ballot): boolean {
  if (phase.kind === 'prepare') return compareBallots(phase.ballot, ballot) === 0
  const accepting = phase.kind === 'backoff' ? phase.after : phase
  if (accepting?.kind !== 'accept') return false
  return compareBallots(accepting.proposal.ballot, ballot) === 0
}

/** Takes note of every round an answer mentions, however late it comes: our next one must be above. */
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
