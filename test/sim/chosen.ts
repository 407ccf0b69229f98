import type { Accepted } from '../../protocol/core/messages.ts'
import { runIdOf } from '../../protocol/core/run.ts'
import { type Fact, keyOf, type SimEvent, type Written } from './events.ts'

/** Knows what no single member knows: which value a majority of stores has accepted. */
export class ChosenValues {
  readonly #quorum: number
  readonly #emit: (fact: Fact) => void
  readonly #holders = new Map<string, Set<string>>()
  readonly #newest = new Map<string, Written>()
  /** Runs of which some store has dropped something. */
  readonly #dropped = new Set<string>()
  readonly #sinceMs = new Map<string, number>()

  constructor(quorum: number, emit: (fact: Fact) => void) {
    this.#quorum = quorum
    this.#emit = emit
  }

  see(event: SimEvent): void {
    if (event.kind === 'drops')
      this.#dropped.add(runIdOf(event.place.slice(0, event.place.lastIndexOf('@'))))
    if (event.kind !== 'syncs' || event.accepted === undefined) return
    const { store, place, accepted } = event
    const name = `${place} ${keyOf(accepted.ballot)} ${accepted.hash}`
    const holders = this.#holders.get(name) ?? new Set<string>()
    this.#holders.set(name, holders)
    if (holders.has(store)) return
    holders.add(store)
    if (holders.size !== this.#quorum) return
    const { ballot, hash, value } = accepted
    const before = this.#newest.get(place)
    if (before === undefined || isBelow(before, accepted)) {
      this.#newest.set(place, accepted)
      if (before?.hash !== hash) this.#sinceMs.set(place, event.atMs)
    }
    this.#emit({ kind: 'chosen', place, ballot, hash, value })
  }

  newest(place: string): Written | undefined {
    return this.#newest.get(place)
  }

  /** The newest of a register, under whatever witness epoch it has come to. */
  home(register: string): { readonly place: string; readonly written: Written } | undefined {
    const places = [...this.#newest.keys()].filter((place) => place.startsWith(`${register}@`))
    const place = places.sort((a, b) => epochOf(b) - epochOf(a))[0]
    const written = place === undefined ? undefined : this.#newest.get(place)
    return place === undefined || written === undefined ? undefined : { place, written }
  }

  isDropped(register: string): boolean {
    return this.#dropped.has(runIdOf(register))
  }

  /** True time since which the newest value is chosen. */
  sinceMs(place: string): number {
    return this.#sinceMs.get(place) ?? 0
  }

  places(): readonly string[] {
    return [...this.#newest.keys()]
  }
}

function epochOf(place: string): number {
  return Number(place.slice(place.lastIndexOf('@') + 1))
}

function isBelow(a: Pick<Accepted, 'ballot'>, b: Pick<Accepted, 'ballot'>): boolean {
  if (a.ballot.round !== b.ballot.round) return a.ballot.round < b.ballot.round
  return keyOf(a.ballot) < keyOf(b.ballot)
}
