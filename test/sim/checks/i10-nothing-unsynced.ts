import { compareBallots, NO_BALLOT } from '../../../protocol/core/ballot.ts'
import type { Checker, SimEvent } from '../events.ts'

type Synced = Extract<SimEvent, { readonly kind: 'syncs' }>

/** I10: no positive reply shows what is not synced, and none leaves a store that lost something. */
export function checkI10(): Checker {
  const synced = new Map<string, Synced>()
  const damaged = new Set<string>()
  return (event) => {
    if (event.kind === 'damaged') damaged.add(event.store)
    if (event.kind === 'syncs') synced.set(`${event.store} ${event.place}`, event)
    if (event.kind !== 'replies') return
    const { store, place, what } = event
    if (damaged.has(store)) return `I10: ${store} answers ${what}, and it has lost its past`
    const row = synced.get(`${store} ${place}`)
    const promised = row?.promised ?? NO_BALLOT
    const accepted = row?.accepted?.ballot ?? NO_BALLOT
    const isShown =
      compareBallots(event.promised ?? NO_BALLOT, promised) > 0 ||
      compareBallots(event.accepted ?? NO_BALLOT, accepted) > 0
    return isShown ? `I10: ${store} shows in ${what} of ${place} what is not synced` : undefined
  }
}
