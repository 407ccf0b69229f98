import type { LeaseProfile } from '../../protocol/core/lease-profile.ts'
import type { Digest, Verifier } from '../../protocol/core/ports.ts'
import type { WitnessRef } from '../../protocol/core/witnesses.ts'
import type { Timeline } from '../support/timeline.ts'
import type { Fact } from './events.ts'
import type { WorldOptions } from './options.ts'
import type { Authority } from './rosters.ts'

/** What every actor of one simulated world shares. */
export interface Scene {
  readonly timeline: Timeline
  /** Chance of its own: what draws from it leaves all else, and so kept seeds, as it was. */
  readonly aside: Pick<Timeline, 'random' | 'between'>
  readonly options: WorldOptions
  readonly digest: Digest
  readonly verifier: Verifier
  readonly authority: Authority
  readonly profile: LeaseProfile
  emit(fact: Fact): void
  /** One more of what may happen in a world, by its name: what never happens is not tested. */
  count(what: string): void
  /** The witnesses of a run and of its jobs under a witness epoch, as the rule makes them. */
  witnesses(register: string, witnessEpoch: number): readonly WitnessRef[]
}

export function placeOf(register: string, witnessEpoch: number): string {
  return `${register}@${witnessEpoch}`
}
