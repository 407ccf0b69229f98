import { type Ballot, compareBallots, NO_BALLOT } from '../../../protocol/core/ballot.ts'
import type { Checker } from '../events.ts'

/**
 * I10: a yes has the promise on the disk that its proposer counts on. Without it another round
 * could come between what was accepted and what the same proposer writes next.
 */
export function checkPromisesKept(): Checker {
  const synced = new Map<string, Ballot>()
  return (event) => {
    if (event.kind === 'syncs') synced.set(`${event.store} ${event.place}`, event.promised)
    if (event.kind !== 'owes') return
    const { store, place, promised } = event
    if (compareBallots(promised, synced.get(`${store} ${place}`) ?? NO_BALLOT) <= 0) return
    return `I10: ${store} has not promised what the proposer of its value at ${place} counts on`
  }
}
