import { MOVE_AFTER_MS } from './roster-limits.ts'
import { quorumOf, type WitnessRef } from './witnesses.ts'

/** One open job under an earlier witness epoch, as one member sees it. */
export interface MoveSight {
  readonly me: string
  /** Of the register that the job has now, in its order. */
  readonly witnesses: readonly WitnessRef[]
  /** Of the one that it would have in the current epoch. */
  readonly targets: readonly WitnessRef[]
  /** All witnesses of the current roster. */
  readonly seated: readonly WitnessRef[]
  /** Who has it leased. */
  readonly holder: string | undefined
  /** Of the current roster. */
  readonly gateways: readonly string[]
  /** Milliseconds since a connection to that peer was last there; 0 while one is. */
  awayMs(peerId: string): number
}

/** Why a job is to leave its witnesses: one is none any more, or has been away for long. */
export type MoveReason = 'witness_gone' | 'witness_away'

/**
 * Whether the job is to move, as far as this member can see: only where a majority of its
 * witnesses lives, without which no stop-sign can be chosen, and where it is better off afterwards.
 */
export function moveReason(sight: MoveSight): MoveReason | undefined {
  const { witnesses, targets } = sight
  const bad = witnesses.filter((ref) => isGone(ref, sight) || isAway(ref, sight))
  if (bad.length === 0) return
  // Else the next look would see the same again, in every epoch.
  if (targets.filter((ref) => isAway(ref, sight)).length >= bad.length) return
  if (!hasQuorum(witnesses, sight) || !hasQuorum(targets, sight)) return
  return bad.some((ref) => isGone(ref, sight)) ? 'witness_gone' : 'witness_away'
}

/**
 * Who moves it: its holder; of a job without one, the first witness of it that lives, in the order
 * that all know, then a gateway. Several at once do no harm, they only wait for each other.
 */
export function moverOf(sight: MoveSight): string | undefined {
  const { holder, witnesses, gateways, me } = sight
  // A holder that is gone for long may be one that nobody can replace: its job moves all the same.
  if (holder !== undefined && !(sight.awayMs(holder) > MOVE_AFTER_MS)) return holder
  const live = witnesses.filter((ref) => isLive(ref, sight)).map(({ peerId }) => peerId)
  const others = [...gateways].sort().filter((peer) => peer === me || sight.awayMs(peer) === 0)
  return live[0] ?? others[0]
}

function hasQuorum(refs: readonly WitnessRef[], sight: MoveSight): boolean {
  return refs.filter((ref) => isLive(ref, sight)).length >= quorumOf(refs.length)
}

function isLive({ peerId, storeId }: WitnessRef, { awayMs, seated }: MoveSight): boolean {
  // With another store it is another witness: it knows nothing of what this one has promised.
  const isReplaced = seated.some((ref) => ref.peerId === peerId && ref.storeId !== storeId)
  return !isReplaced && awayMs(peerId) === 0
}

function isGone({ peerId, storeId }: WitnessRef, { seated }: MoveSight): boolean {
  return !seated.some((ref) => ref.peerId === peerId && ref.storeId === storeId)
}

function isAway({ peerId }: WitnessRef, { awayMs }: MoveSight): boolean {
  return awayMs(peerId) > MOVE_AFTER_MS
}
