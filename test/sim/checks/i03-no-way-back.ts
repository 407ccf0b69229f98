import type { Ballot } from '../../../protocol/core/ballot.ts'
import { compareBallots, NO_BALLOT } from '../../../protocol/core/ballot.ts'
import type { Checker } from '../events.ts'

interface Heights {
  readonly promised: Ballot
  readonly accepted: Ballot
}

/** I3: promised and accepted ballots of one store never decrease: not on its disk, not as shown. */
export function checkI3(): Checker {
  const disk = new Map<string, Heights>()
  return (event) => {
    if (event.kind === 'promises') {
      const before = disk.get(`${event.store} ${event.place}`)
      if (before === undefined || compareBallots(event.ballot, before.promised) > 0) return
      return `I3: ${event.store} promises below what it has promised, at ${event.place}`
    }
    if (event.kind === 'takes') {
      const before = disk.get(`${event.store} ${event.place}`)
      if (before === undefined || compareBallots(event.ballot, before.promised) >= 0) return
      return `I3: ${event.store} accepts below its promise, at ${event.place}`
    }
    if (event.kind !== 'syncs') return
    const name = `${event.store} ${event.place}`
    const accepted = event.accepted?.ballot ?? NO_BALLOT
    const before = disk.get(name)
    disk.set(name, { promised: event.promised, accepted })
    if (before === undefined) return
    const isBack =
      compareBallots(event.promised, before.promised) < 0 ||
      compareBallots(accepted, before.accepted) < 0
    return isBack ? `I3: ${event.store} went back at ${event.place}` : undefined
  }
}
