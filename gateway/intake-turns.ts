import type { Delivery } from '../protocol/store/inbox-store.ts'

/** A stored delivery on its way to a recorded run. */
export interface Item {
  delivery: Delivery
  tries: number
  /** Boot clock; not looked at again before. */
  readyAtMs: number
  /** Boot clock of the first failed fetch in this process. */
  fetchFailedAtMs: number | undefined
  /** Boot clock since when its repository is not declared as it was. */
  absentAtMs: number | undefined
  /** Boot clock since when witnesses refuse its announcement. */
  refusedAtMs: number | undefined
  /** Wall clock. */
  sealedAtMs: number | undefined
  /** Something of it has changed since it was looked at. */
  isStale: boolean
}

export interface Turns {
  readonly begin: readonly Item[]
  /** Boot clock of the next item that becomes ready; infinite where none will. */
  readonly nextMs: number
}

export interface TurnOptions {
  /** Boot clock. */
  readonly nowMs: number
  readonly parallelMax: number
}

/**
 * Who goes next, from `queue` in order of arrival and the keys that are at work. Fresh items first:
 * one that fails again and again must not keep out those that never had a turn.
 */
export function turnsOf(
  queue: Iterable<Item>,
  active: { has(key: string): boolean },
  { nowMs, parallelMax }: TurnOptions
): Turns {
  const places = new Places(parallelMax)
  const fresh: Item[] = []
  const failed: Item[] = []
  let nextMs = Number.POSITIVE_INFINITY
  for (const item of queue) {
    if (active.has(item.delivery.key)) places.take(item.delivery)
    else if (item.readyAtMs > nowMs) nextMs = Math.min(nextMs, item.readyAtMs)
    else if (item.tries === 0) fresh.push(item)
    else failed.push(item)
  }
  const begin = [...fresh, ...failed].filter(({ delivery }) => {
    if (!places.hasFor(delivery)) return false
    places.take(delivery)
    return true
  })
  return { begin, nextMs }
}

/**
 * A forge behind a firewall says nothing until a fetch is given up. So one repository has one fetch
 * at a time, as its cache does, and one forge never all places: the last is for the others.
 */
class Places {
  #free: number
  readonly #perForge: number
  readonly #fetching = new Map<string, number>()

  constructor(parallelMax: number) {
    this.#free = parallelMax
    this.#perForge = Math.max(1, parallelMax - 1)
  }

  hasFor(delivery: Delivery): boolean {
    if (this.#free <= 0) return false
    // What is sealed asks no forge.
    if (delivery.sealed !== undefined) return true
    const { repository, forge } = namesOf(delivery)
    return this.#count(repository) === 0 && this.#count(forge) < this.#perForge
  }

  take(delivery: Delivery): void {
    this.#free -= 1
    if (delivery.sealed !== undefined) return
    for (const name of Object.values(namesOf(delivery))) {
      this.#fetching.set(name, this.#count(name) + 1)
    }
  }

  #count(name: string): number {
    return this.#fetching.get(name) ?? 0
  }
}

/** A delivery from before URLs were kept counts for a forge of its own. */
function namesOf({ repository, url }: Delivery): { repository: string; forge: string } {
  const forge = url === '' ? repository : new URL(url).host
  return { repository: `repository ${repository}`, forge: `forge ${forge}` }
}
