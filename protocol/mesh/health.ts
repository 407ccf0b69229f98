import type { SealedRoster } from '../core/roster.ts'
import { quorumOf, witnessRefs } from '../core/witnesses.ts'

export interface WitnessHealth {
  readonly peerId: string
  readonly name: string
  /** A connection exists, or it is this process. */
  readonly reachable: boolean
}

/** Whether this member can get a quorum; for people and for the agent's state. */
export interface MeshHealth {
  readonly witnesses: readonly WitnessHealth[]
  /** Witnesses of one run. */
  readonly w: number
  /** How many of them must agree. */
  readonly quorum: number
  /** How many of all witnesses can be reached now. */
  readonly reachable: number
  /** True when every run has a quorum: at most `w - quorum` witnesses are out of reach. */
  readonly hasQuorum: boolean
}

export interface HealthParts {
  readonly roster: SealedRoster | undefined
  readonly peerId: string
  readonly linked: ReadonlySet<string>
}

export function healthOf({ roster, peerId, linked }: HealthParts): MeshHealth {
  if (roster === undefined) {
    return { witnesses: [], w: 0, quorum: 0, reachable: 0, hasQuorum: false }
  }
  const names = new Map(roster.roster.members.map((member) => [member.peerId, member.name]))
  const witnesses = witnessRefs(roster.roster).map((ref) => ({
    peerId: ref.peerId,
    name: names.get(ref.peerId) ?? ref.peerId,
    reachable: ref.peerId === peerId || linked.has(ref.peerId)
  }))
  const { w } = roster.roster
  const quorum = quorumOf(w)
  const reachable = witnesses.filter((witness) => witness.reachable).length
  return { witnesses, w, quorum, reachable, hasQuorum: witnesses.length - reachable <= w - quorum }
}
