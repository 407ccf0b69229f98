import { REDELIVERY_MS } from './retention-limits.ts'
import type { Roster } from './roster.ts'
import { REDELIVERY_MARGIN_MS } from './roster-limits.ts'
import { isLost } from './roster-rules.ts'

export interface EpochSight {
  readonly current: Roster
  /** The last roster of that epoch, as far as it is known here. */
  readonly at: (witnessEpoch: number) => Roster | undefined
  /** Wall clock of this host. */
  readonly wallMs: number
}

/**
 * The earlier witness epochs in which a run may have begun, ascending: those that ended within the
 * redelivery window, all from `from` on, and none that was given up (lease-protocol 4.12.4). Each is
 * to be sealed before the run is created in `target`: whatever a sleeping gateway still does there
 * then comes too late. An epoch of which nobody knows when it ended counts as just ended.
 */
export function epochsToSeal(
  target: number,
  { current, at, wallMs }: EpochSight,
  from = Number.POSITIVE_INFINITY
): readonly number[] {
  const first = current.runsFromEpoch ?? 1
  const epochs: number[] = []
  let endMs: number | undefined
  for (let epoch = target - 1; epoch >= first; epoch -= 1) {
    // An epoch ended when the next one began, and no later than any after that.
    endMs = at(epoch + 1)?.epochSinceMs ?? endMs
    const isOver = isPast(endMs, wallMs, REDELIVERY_MS + REDELIVERY_MARGIN_MS)
    if (isOver && epoch < from) break
    if (!isLost(current, epoch)) epochs.unshift(epoch)
  }
  return epochs
}

/**
 * True while a run may be created in that epoch: those that come later still seal it. Shorter by
 * the margin than they do, since no two clocks agree; and never by a guess, where they may know.
 */
export function mayBeginIn(witnessEpoch: number, { current, at, wallMs }: EpochSight): boolean {
  if (isLost(current, witnessEpoch)) return false
  for (let epoch = witnessEpoch + 1; epoch <= current.witnessEpoch; epoch += 1) {
    const roster = epoch === current.witnessEpoch ? current : at(epoch)
    if (roster === undefined) return false
    const { epochSinceMs } = roster
    if (epochSinceMs !== undefined) return !isPast(epochSinceMs, wallMs, REDELIVERY_MS)
  }
  return true
}

function isPast(endMs: number | undefined, wallMs: number, windowMs: number): boolean {
  return endMs !== undefined && wallMs - endMs > windowMs
}

/** An earlier witness epoch on which something still depends. */
export interface EpochHealth {
  readonly witnessEpoch: number
  /** How many witnesses it had. */
  readonly witnesses: number
  /** How many of them can be reached, each with the store that it had. */
  readonly reachable: number
  /** How many of those of one run must agree. */
  readonly quorum: number
  /** Names of those that cannot be reached. */
  readonly away: readonly string[]
  /** True where every run of it has a majority. */
  readonly hasQuorum: boolean
  /** True while each new run is to be sealed there before it begins. */
  readonly isSealed: boolean
  /** Open jobs there without a majority of their witnesses. */
  readonly stuck: number
  /** Open jobs there with a majority, and a witness that is none any more: they are to move. */
  readonly moving: number
}
