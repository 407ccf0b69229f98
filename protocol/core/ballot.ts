/**
 * Orders the rounds of one register (CASPaxos §2). Compared as (round, peer, boot), all ascending.
 */
export interface Ballot {
  /** 0 in NO_BALLOT; below 2**53, so that a JavaScript number holds it exactly. */
  readonly round: number
  /** The proposer's peer id, as libp2p prints it; compared as text. */
  readonly peer: string
  /** Nonce of the proposer's process, 16 hex digits: a restarted proposer never reuses a ballot. */
  readonly boot: string
}

/** Lower than every ballot a proposer can make. */
export const NO_BALLOT: Ballot = { round: 0, peer: '', boot: '' }

/** Negative, zero or positive, as `a` is lower than, equal to or higher than `b`. */
export function compareBallots(a: Ballot, b: Ballot): number {
  if (a.round !== b.round) return a.round - b.round
  if (a.peer !== b.peer) return a.peer < b.peer ? -1 : 1
  if (a.boot !== b.boot) return a.boot < b.boot ? -1 : 1
  return 0
}

export function highestBallot(a: Ballot, b: Ballot): Ballot {
  return compareBallots(a, b) >= 0 ? a : b
}
