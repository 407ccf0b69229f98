import { LEASE_PROFILES, type LeaseProfile } from '../../core/lease-profile.ts'
import { WITNESS_SETS_MAX } from '../../core/limits.ts'
import type { Digest } from '../../core/ports.ts'
import type { Roster } from '../../core/roster.ts'
import { runIdOf } from '../../core/run.ts'
import { quorumOf, type WitnessRef, witnessesOf } from '../../core/witnesses.ts'
import { Lru } from '../bounds/lru.ts'
import type { RosterView } from './roster-book.ts'

/** Who keeps the registers of one run, and by which timers. */
export interface WitnessSet {
  readonly witnesses: readonly WitnessRef[]
  readonly quorum: number
  readonly profile: LeaseProfile
  /** The roster of that witness epoch. */
  readonly roster: Roster
}

/**
 * Derived witness sets, remembered: deriving one takes a digest per witness of the roster. A roster
 * with the same witness epoch has the same witnesses, so only the roster itself is looked up anew.
 */
export class WitnessSets {
  readonly #rosters: RosterView
  readonly #digest: Digest
  readonly #onMissing: (witnessEpoch: number) => void
  readonly #refs = new Lru<string, readonly WitnessRef[]>(WITNESS_SETS_MAX)

  /** `onMissing` is called for every look at an epoch whose roster is not known here. */
  constructor(
    parts: { readonly rosters: RosterView; readonly digest: Digest },
    onMissing: (witnessEpoch: number) => void = () => undefined
  ) {
    this.#rosters = parts.rosters
    this.#digest = parts.digest
    this.#onMissing = onMissing
  }

  /** Undefined while the roster of that epoch is not known here. */
  of(register: string, witnessEpoch: number): WitnessSet | undefined {
    const roster = this.#rosters.at(witnessEpoch)
    if (roster === undefined) {
      this.#onMissing(witnessEpoch)
      return undefined
    }
    const witnesses = this.#refsOf(runIdOf(register), roster)
    const profile = LEASE_PROFILES[roster.lease]
    return { witnesses, quorum: quorumOf(witnesses.length), profile, roster }
  }

  #refsOf(runId: string, roster: Roster): readonly WitnessRef[] {
    const key = `${runId}@${roster.witnessEpoch}`
    const known = this.#refs.get(key)
    if (known !== undefined) return known
    const refs = witnessesOf(runId, roster, this.#digest)
    this.#refs.set(key, refs)
    return refs
  }
}
