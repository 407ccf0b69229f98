import type { Member, Roster } from '../../protocol/core/roster.ts'

/** The rosters that one host knows, as production's RosterBook keeps them on its disk. */
export class SimRosters {
  readonly #known = new Map<number, Roster>()
  #current: Roster
  #onNews: () => void = () => undefined

  constructor(first: Roster) {
    this.#current = first
    this.#known.set(first.witnessEpoch, first)
  }

  get current(): Roster {
    return this.#current
  }

  at(witnessEpoch: number): Roster | undefined {
    return this.#known.get(witnessEpoch)
  }

  all(): readonly Roster[] {
    return [...this.#known.values()]
  }

  onNews(task: () => void): void {
    this.#onNews = task
  }

  learn(rosters: readonly Roster[]): void {
    const news = rosters.filter(({ witnessEpoch }) => !this.#known.has(witnessEpoch))
    for (const roster of news) {
      this.#known.set(roster.witnessEpoch, roster)
      if (roster.version > this.#current.version) this.#current = roster
    }
    if (news.length > 0) this.#onNews()
  }
}

/** Whoever may sign rosters: each change begins a witness epoch. */
export class Authority {
  readonly #all: Roster[]

  constructor(first: Roster) {
    this.#all = [first]
  }

  get newest(): Roster {
    return this.#all.at(-1) as Roster
  }

  at(witnessEpoch: number): Roster | undefined {
    return this.#all.find((roster) => roster.witnessEpoch === witnessEpoch)
  }

  /** Every store that was ever a witness: its registers may be needed as long as the mesh lives. */
  hasSeated(storeId: string): boolean {
    return this.#all.some(({ members }) => {
      return members.some(({ witness }) => witness?.storeId === storeId)
    })
  }

  issue(change: (member: Member) => Member, epochSinceMs: number): Roster {
    const before = this.newest
    const roster: Roster = {
      ...before,
      version: before.version + 1,
      prevHash: String(before.version),
      witnessEpoch: before.witnessEpoch + 1,
      members: before.members.map(change),
      runsFromEpoch: 1,
      epochSinceMs
    }
    this.#all.push(roster)
    return roster
  }
}
