import type { Digest } from './ports.ts'
import type { Member, Roster } from './roster.ts'
import { FORMER_EPOCHS_MAX } from './roster-limits.ts'

/** One database that holds registers: another store of the same peer is another witness. */
export interface WitnessRef {
  readonly peerId: string
  readonly storeId: string
  readonly zone: string
}

/** How many witnesses a run has, of `total` in the roster. */
export function witnessCount(total: number): 1 | 3 | 5 {
  if (total >= 5) return 5
  return total >= 3 ? 3 : 1
}

/** The smallest number of `count` witnesses such that any two such sets share one. */
export function quorumOf(count: number): number {
  return Math.floor(count / 2) + 1
}

/**
 * Every witness of the roster, in its order. Neither expiry nor reachability counts here: they
 * differ between observers, and two observers with different sets would be two registers for one
 * job.
 */
export function witnessRefs(roster: Roster): readonly WitnessRef[] {
  return roster.members.flatMap((member) => refOf(member) ?? [])
}

/**
 * Witnesses of earlier epochs, newest first, that are members still and have the same store, but
 * are no witnesses now. What was chosen by a majority of which one lost its store since may be
 * shown by such a one alone.
 */
export function formerWitnesses(
  current: Roster,
  at: (witnessEpoch: number) => Roster | undefined
): readonly WitnessRef[] {
  const seats = new Map(current.members.map(({ peerId, witness }) => [peerId, witness?.storeId]))
  const stores = new Set(witnessRefs(current).map(({ storeId }) => storeId))
  const last = Math.max(1, current.witnessEpoch - FORMER_EPOCHS_MAX)
  const former: WitnessRef[] = []
  for (let epoch = current.witnessEpoch - 1; epoch >= last; epoch -= 1) {
    const roster = at(epoch)
    for (const ref of roster === undefined ? [] : witnessRefs(roster)) {
      const store = seats.get(ref.peerId) ?? ref.storeId
      if (!seats.has(ref.peerId) || store !== ref.storeId || stores.has(ref.storeId)) continue
      stores.add(ref.storeId)
      former.push(ref)
    }
  }
  return former
}

/**
 * The witnesses of a run and of all its jobs (lease-protocol 4.1): the first `w` by
 * SHA-256(runId | witnessEpoch | peerId | storeId), one per zone while there are unused zones.
 */
export function witnessesOf(runId: string, roster: Roster, digest: Digest): readonly WitnessRef[] {
  const ranked = witnessRefs(roster)
    .map((ref) => ({ ref, rank: digest.text(rankText(runId, roster.witnessEpoch, ref)) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .map(({ ref }) => ref)
  const zones = new Set<string>()
  const first = ranked.filter((ref) => {
    if (zones.has(ref.zone)) return false
    zones.add(ref.zone)
    return true
  })
  const rest = ranked.filter((ref) => !first.includes(ref))
  return [...first, ...rest].slice(0, roster.w)
}

// None of the fields can hold the separator: base 32, a number, base 58, hex.
function rankText(runId: string, witnessEpoch: number, ref: WitnessRef): string {
  return `${runId}|${witnessEpoch}|${ref.peerId}|${ref.storeId}`
}

function refOf(member: Member): WitnessRef | undefined {
  if (member.witness === undefined || !member.roles.includes('witness')) return
  return { peerId: member.peerId, ...member.witness }
}
