import type { Ballot } from '../../../protocol/core/ballot.ts'
import { compareBallots, NO_BALLOT } from '../../../protocol/core/ballot.ts'
import type { Checker, SimEvent } from '../events.ts'

interface Heights {
  readonly promised: Ballot
  readonly accepted: Ballot
}

/** I3: promised and accepted ballots of one store never decrease: not on its disk, not in use. */
export function checkI3(): Checker {
  const disk = new Map<string, Heights>()
  return (event) => {
    // What it was has ended, and is nothing any more.
    if (event.kind === 'forgets') disk.delete(`${event.store} ${event.place}`)
    if (event.kind !== 'promises' && event.kind !== 'takes' && event.kind !== 'syncs') return
    const name = `${event.store} ${event.place}`
    const before = disk.get(name)
    if (event.kind === 'syncs') {
      const accepted = event.accepted?.ballot ?? NO_BALLOT
      disk.set(name, { promised: event.promised, accepted })
    }
    return before === undefined ? undefined : wayBack(event, before)
  }
}

type Moved = Extract<SimEvent, { readonly kind: 'promises' | 'takes' | 'syncs' }>

function wayBack(event: Moved, before: Heights): string | undefined {
  const { store, place } = event
  if (event.kind === 'promises') {
    if (compareBallots(event.ballot, before.promised) > 0) return
    return `I3: ${store} promises below what it has promised, at ${place}`
  }
  if (event.kind === 'takes') {
    if (compareBallots(event.ballot, before.promised) >= 0) return
    // Said again, of what it holds: nothing below the promise is taken.
    if (compareBallots(event.ballot, before.accepted) === 0) return
    return `I3: ${store} accepts below its promise, at ${place}`
  }
  const accepted = event.accepted?.ballot ?? NO_BALLOT
  const isLevel = compareBallots(event.promised, before.promised) >= 0
  if (isLevel && compareBallots(accepted, before.accepted) >= 0) return
  return `I3: ${store} went back at ${place}`
}
