import { ACCEPTOR, DECIDE, type Mutation, PROPOSER, WAVES } from './mutation.ts'

/** The pitfalls of CASPaxos (lease-protocol, section 2). */
export const PITFALLS: readonly Mutation[] = [
  {
    name: 'PITFALL2',
    rule: 'a counter is never lowered',
    patches: [
      {
        file: WAVES,
        find: 'return Math.max(ownRound + 1, Math.min(seenRound + 1, ownRound + BALLOT_JUMP_MAX))',
        replace: 'return Math.max(1, Math.min(seenRound, ownRound + BALLOT_JUMP_MAX))'
      }
    ]
  },
  {
    name: 'PITFALL3',
    rule: 'a promise is kept, and compared with, beside what is accepted',
    patches: [
      {
        file: ACCEPTOR,
        find: 'const promised = promiseOf(request, context)',
        replace: 'const promised = NO_BALLOT'
      },
      {
        file: ACCEPTOR,
        find: 'return highestBallot(state.record.promised, state.record.accepted?.ballot ?? NO_BALLOT)',
        replace: 'return state.record.promised'
      }
    ]
  },
  {
    name: 'PITFALL3B',
    rule: 'only a higher ballot is promised, no equal one',
    patches: [
      {
        file: ACCEPTOR,
        find: 'if (compareBallots(ballot, highest) <= 0) {',
        replace: 'if (compareBallots(ballot, highest) < -1e9) {'
      }
    ]
  },
  {
    name: 'PITFALL4',
    rule: 'another value under an accepted ballot is refused',
    patches: [
      {
        file: ACCEPTOR,
        find: 'if (accepted !== undefined && compareBallots(ballot, accepted.ballot) === 0) {',
        replace: 'if (accepted === undefined && compareBallots(ballot, highest) === 0) {'
      }
    ]
  },
  {
    name: 'PITFALL5',
    rule: 'what one witness holds is not chosen',
    patches: [
      {
        file: 'protocol/core/reader.ts',
        find: 'return same.length >= quorum\n',
        replace: 'return same.length >= 1\n'
      }
    ]
  },
  {
    name: 'PITFALL6',
    rule: 'an accept that was sent is never reported as failed',
    patches: [
      {
        file: PROPOSER,
        find: "return isHopeless(phase.tally, 'accepted') ? backOff(state, phase) : [state, []]",
        replace:
          "if (!isHopeless(phase.tally, 'accepted')) return [state, []]\n  const verdict = { kind: 'rejected', reason: 'not_allowed', value: undefined } as const\n  return done(state, verdict, { chosen: undefined, lagging: [], tally: phase.tally })"
      }
    ]
  },
  {
    name: 'PITFALL7',
    rule: 'a no is written back before it is said',
    patches: [
      {
        file: PROPOSER,
        find: "if (decision.kind !== 'held') return signing(state, phase.ballot, decision)",
        replace:
          "if (decision.kind === 'rejected') {\n    const { reason, value } = decision\n    const verdict = { kind: 'rejected', reason, value } as const\n    return done(state, verdict, { chosen: undefined, lagging: [], tally })\n  }\n  if (decision.kind !== 'held') return signing(state, phase.ballot, decision)"
      }
    ]
  },
  {
    name: 'PITFALL13',
    rule: 'memory changes in the turn of the decision',
    patches: [
      {
        file: 'test/sim/witness.ts',
        find: 'register.state = step.state\n    if (step.durability',
        replace:
          'this.#parts.process.arm(3, () => {\n      register.state = step.state\n    })\n    if (step.durability'
      }
    ]
  },
  {
    name: 'LOWQUORUM',
    rule: 'any two majorities share a witness',
    patches: [
      {
        file: 'protocol/core/witnesses.ts',
        find: 'return Math.floor(count / 2) + 1',
        replace: 'return Math.max(1, Math.floor(count / 2))'
      }
    ]
  },
  {
    name: 'ANYVALUE',
    rule: 'the value of the highest ballot among the promises is the base',
    patches: [
      {
        file: DECIDE,
        find: '> 0 ? b : a\n',
        replace: '> 0 && a === undefined ? b : a\n'
      }
    ]
  },
  {
    name: 'CARRYUNKEPT',
    rule: 'what an accept promises besides is kept with it',
    patches: [
      {
        file: ACCEPTOR,
        find: 'const promised = promiseOf(request, context)',
        replace: 'const promised = ballot'
      }
    ]
  }
]
