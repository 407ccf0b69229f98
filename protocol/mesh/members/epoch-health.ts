import type { BoardJob } from '../../core/board-job.ts'
import { type EpochHealth, type EpochSight, epochsToSeal } from '../../core/epochs.ts'
import type { Roster } from '../../core/roster.ts'
import { isLost } from '../../core/roster-rules.ts'
import { quorumOf, type WitnessRef, witnessRefs } from '../../core/witnesses.ts'

export interface EpochHealthParts extends EpochSight {
  readonly openJobs: readonly BoardJob[]
  readonly witnessesOf: (job: BoardJob) => readonly WitnessRef[] | undefined
  readonly peerId: string
  readonly linked: ReadonlySet<string>
}

/** Those that ended lately or keep open jobs, ascending; none whose roster is not known here. */
export function epochHealthOf(parts: EpochHealthParts): readonly EpochHealth[] {
  const { current, openJobs } = parts
  const sealed = new Set(epochsToSeal(current.witnessEpoch, parts))
  const jobs = openJobs.filter(({ witnessEpoch }) => witnessEpoch < current.witnessEpoch)
  const epochs = new Set([...sealed, ...jobs.map(({ witnessEpoch }) => witnessEpoch)])
  return [...epochs]
    .filter((epoch) => !isLost(current, epoch))
    .sort((a, b) => a - b)
    .flatMap((epoch) => {
      const roster = parts.at(epoch)
      if (roster === undefined) return []
      const own = jobs.filter(({ witnessEpoch }) => witnessEpoch === epoch)
      return [{ ...reachOf(roster, parts), ...jobsOf(own, parts), isSealed: sealed.has(epoch) }]
    })
}

function reachOf(roster: Roster, parts: EpochHealthParts) {
  const refs = witnessRefs(roster)
  const missing = refs.filter((ref) => !isLive(ref, parts))
  const known = [...roster.members, ...parts.current.members]
  const names = new Map(known.map(({ peerId, name }) => [peerId, name]))
  const quorum = quorumOf(roster.w)
  return {
    witnessEpoch: roster.witnessEpoch,
    witnesses: refs.length,
    reachable: refs.length - missing.length,
    quorum,
    away: missing.map(({ peerId }) => names.get(peerId) ?? peerId),
    hasQuorum: missing.length <= roster.w - quorum
  }
}

function jobsOf(jobs: readonly BoardJob[], parts: EpochHealthParts) {
  const seated = witnessRefs(parts.current)
  let [stuck, moving] = [0, 0]
  for (const job of jobs) {
    const refs = parts.witnessesOf(job) ?? []
    if (refs.filter((ref) => isLive(ref, parts)).length < quorumOf(refs.length)) stuck += 1
    else if (!refs.every((ref) => seated.some((seat) => isSame(seat, ref)))) moving += 1
  }
  return { stuck, moving }
}

function isLive({ peerId, storeId }: WitnessRef, parts: EpochHealthParts): boolean {
  // With another store it is another witness, which knows nothing of what this one promised.
  const seat = witnessRefs(parts.current).find((ref) => ref.peerId === peerId)
  if (seat !== undefined && seat.storeId !== storeId) return false
  return peerId === parts.peerId || parts.linked.has(peerId)
}

function isSame(a: WitnessRef, b: WitnessRef): boolean {
  return a.peerId === b.peerId && a.storeId === b.storeId
}
