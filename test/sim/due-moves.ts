import type { JobState } from '../../protocol/core/job.ts'
import { quorumOf, type WitnessRef, witnessRefs } from '../../protocol/core/witnesses.ts'
import type { SimNode } from './node.ts'
import { placeOf, type Scene } from './scene.ts'

/**
 * Whether an open job is to leave its witnesses, as somebody sees it who sees all hosts: one of
 * them has no seat any more or is dead for good, most of them live, and in the present epoch it
 * would be better off (lease-protocol 4.9).
 */
export function isMoveDue(
  scene: Scene,
  nodes: readonly SimNode[],
  place: string,
  { register, lease }: JobState
): boolean {
  const { newest } = scene.authority
  const { witnessEpoch } = newest
  if (placeOf(register, witnessEpoch) === place) return false
  // One that does not know of the epoch yet is not late.
  const alive = nodes.filter(({ process }) => process.isAlive)
  if (alive.some(({ rosters }) => rosters.current.witnessEpoch < witnessEpoch)) return false
  const holder = alive.find(({ peerId }) => peerId === lease?.holder)
  // Whoever comes next first has to see that its holder is gone.
  if (lease !== undefined && holder === undefined) return false
  const seats = new Set(witnessRefs(newest).map(({ storeId }) => storeId))
  const isHere = ({ storeId }: WitnessRef): boolean => {
    return alive.some(({ disk, witness }) => disk.storeId === storeId && witness.isWhole)
  }
  const isDead = ({ peerId }: WitnessRef): boolean => {
    return !alive.some((node) => node.peerId === peerId)
  }
  const witnesses = scene.witnesses(register, Number(place.slice(register.length + 1)))
  const targets = scene.witnesses(register, witnessEpoch)
  const bad = witnesses.filter((ref) => !seats.has(ref.storeId) || isDead(ref))
  if (bad.length === 0 || targets.filter(isDead).length >= bad.length) return false
  return [witnesses, targets].every((set) => set.filter(isHere).length >= quorumOf(set.length))
}
