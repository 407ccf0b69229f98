import type { Ballot } from '../../../protocol/core/ballot.ts'
import { compareBallots } from '../../../protocol/core/ballot.ts'
import type { Checker, Written } from '../events.ts'

interface Link {
  readonly prevHash: string
  readonly version: number
}

/**
 * I2: chosen values form one chain. Values that were never chosen may be between two of them: what
 * counts is descent (section 2, pitfall 5).
 */
export function checkI2(): Checker {
  const links = new Map<string, Link>()
  const chosen = new Map<string, Written[]>()
  return (event) => {
    if (event.kind === 'proposes') {
      const { prevHash, version } = event.value
      links.set(event.hash, { prevHash, version })
      return
    }
    if (event.kind !== 'chosen') return
    const { prevHash, version } = event.value
    links.set(event.hash, { prevHash, version })
    const known = chosen.get(event.place) ?? []
    chosen.set(event.place, known)
    const index = known.findIndex(({ ballot }) => compareBallots(ballot, event.ballot) > 0)
    const at = index < 0 ? known.length : index
    const [below, above] = [known[at - 1], known[at]]
    known.splice(at, 0, event)
    if (below !== undefined && !descends(links, event.hash, below)) return broken(event.ballot)
    if (above !== undefined && !descends(links, above.hash, event)) return broken(event.ballot)
    return
  }
}

function broken({ round, peer }: Ballot): string {
  return `I2: the value chosen in round ${round} of ${peer} is in no chain with the others`
}

function descends(links: ReadonlyMap<string, Link>, hash: string, from: Written): boolean {
  for (let at = hash; at !== ''; at = links.get(at)?.prevHash ?? '') {
    if (at === from.hash) return true
    if ((links.get(at)?.version ?? 0) <= from.value.version) return false
  }
  return false
}
