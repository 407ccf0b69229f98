import type { RowTable } from '../../protocol/store/row-table.ts'
import type { Entry } from './lane.ts'
import { compareTold, contentOf, keyOf, type OutboxRow, placeOf, type Told } from './told.ts'

/** Number of the row that says what was forgotten; the others begin behind it. */
const FLOOR_NUMBER = 0

interface FloorRow {
  /** Runs announced up to here whose rows are not there have been told and forgotten. */
  readonly floorMs: number
}

export interface Taken {
  readonly entry: Entry
  /** What had to go for it. */
  readonly dropped: readonly Entry[]
  /** As it was before, where it could not be kept. */
  readonly undo: () => void
}

/** What the outbox has kept, in memory and in its table. */
export class OutboxRows {
  readonly #table: RowTable
  readonly #keptMax: number
  /** In order of arrival. */
  readonly #byKey = new Map<string, Entry>()
  /** Those of them that are settled, in the order in which they were. */
  readonly #settled = new Map<string, Entry>()
  /** The latest run of which each place was told. */
  readonly #arrived = new Map<string, Told>()
  #number = FLOOR_NUMBER
  #floorMs = Number.NEGATIVE_INFINITY

  constructor(table: RowTable, keptMax: number) {
    this.#table = table
    this.#keptMax = keptMax
  }

  /** All that is not settled. Throws STORE_SUSPECT. */
  async load(): Promise<readonly Entry[]> {
    for await (const { number, row } of this.#table.load<OutboxRow | FloorRow>()) {
      this.#number = Math.max(this.#number, number)
      if ('floorMs' in row) {
        this.#floorMs = row.floorMs
        continue
      }
      const entry = entryOf(number, row)
      this.#byKey.set(entry.key, entry)
      if (row.settled !== undefined) this.#settled.set(entry.key, entry)
      if (row.sent !== undefined) this.arrived(entry, row.told)
    }
    return [...this.#byKey.values()].filter(({ row }) => row.settled === undefined)
  }

  get open(): number {
    return this.#byKey.size - this.#settled.size
  }

  /** Entries that have something to tell. */
  waiting(): readonly Entry[] {
    return [...this.#byKey.values()].filter(({ row: { settled, sent, told } }) => {
      return settled === undefined && sent !== contentOf(told)
    })
  }

  goingOn(): readonly Told[] {
    const going = [...this.#byKey.values()].filter(({ row }) => row.settled === undefined)
    return going.map(({ row }) => row.told)
  }

  givenUp(limit: number): readonly OutboxRow[] {
    const rows = [...this.#settled.values()].reverse().map(({ row }) => row)
    return rows.filter(({ settled }) => settled === 'given_up').slice(0, limit)
  }

  /** Undefined where it is no news, and for an end before `oldestMs` of what nobody was told of. */
  take(told: Told, oldestMs: number): Taken | undefined {
    const known = this.#byKey.get(keyOf(told))
    if (known === undefined) return this.#add(told, oldestMs)
    const { row } = known
    const order = compareTold(told, row.told)
    if (order < 0) return undefined
    if (contentOf(told) === contentOf(row.told)) {
      // The same again, later: nothing to tell and nothing to keep.
      known.row = { ...row, told }
      return undefined
    }
    // An end is one, unless the run has begun anew.
    if (row.told.isFinal && told.issuedAtMs === row.told.issuedAtMs) return undefined
    const wasSettled = this.#settled.delete(known.key)
    known.row = { told, sent: row.sent }
    known.refusals = 0
    known.readyAtMs = 0
    const undo = (): void => {
      known.row = row
      if (wasSettled) this.#settled.set(known.key, known)
    }
    return { entry: known, dropped: [], undo }
  }

  /** True where a later run of the commit has told this context something: it has the word. */
  isOvertaken({ place, row: { told } }: Entry): boolean {
    const last = this.#arrived.get(place)
    return last !== undefined && compareTold(runOf(last), runOf(told)) > 0
  }

  arrived({ place }: Pick<Entry, 'place'>, told: Told): void {
    const last = this.#arrived.get(place)
    if (last === undefined || compareTold(told, last) > 0) this.#arrived.set(place, told)
  }

  change(entry: Entry, change: Partial<OutboxRow>): void {
    entry.row = { ...entry.row, ...change }
    if (entry.row.settled !== undefined) this.#settled.set(entry.key, entry)
  }

  /** Resolves once it is synced. Rejects with STORE_FAILED, OVERLOADED. */
  async save(entries: readonly Entry[], dropped: readonly Entry[]): Promise<void> {
    const rows: { readonly number: number; readonly row: unknown }[] = [...entries]
    if (dropped.length > 0) {
      rows.push({ number: FLOOR_NUMBER, row: { floorMs: this.#floorMs } satisfies FloorRow })
    }
    await this.#table.write(
      rows.map(({ number, row }) => ({ number, row })),
      dropped.map(({ number }) => number)
    )
  }

  #add(told: Told, oldestMs: number): Taken | undefined {
    // It was told to its end once, and is on the board still.
    if (told.issuedAtMs <= this.#floorMs) return undefined
    if (told.isFinal && told.issuedAtMs < oldestMs) return undefined
    const dropped = this.#makeRoom()
    this.#number += 1
    const entry = entryOf(this.#number, { told })
    this.#byKey.set(entry.key, entry)
    const undo = (): void => {
      this.#byKey.delete(entry.key)
    }
    return { entry, dropped, undo }
  }

  #makeRoom(): readonly Entry[] {
    if (this.#byKey.size < this.#keptMax) return []
    const gone = this.#leastNeeded()
    if (gone === undefined) return []
    this.#byKey.delete(gone.key)
    if (this.#settled.delete(gone.key)) {
      this.#floorMs = Math.max(this.#floorMs, gone.row.told.issuedAtMs)
    }
    const last = this.#arrived.get(gone.place)
    if (last?.runId === gone.row.told.runId) this.#arrived.delete(gone.place)
    return [gone]
  }

  /** What is settled goes first, then what goes on, then ends that nobody was told. */
  #leastNeeded(): Entry | undefined {
    const [settled] = this.#settled.values()
    if (settled !== undefined) return settled
    for (const entry of this.#byKey.values()) if (!entry.row.told.isFinal) return entry
    return [...this.#byKey.values()][0]
  }
}

function entryOf(number: number, row: OutboxRow): Entry {
  const { told } = row
  return { number, key: keyOf(told), place: placeOf(told), row, refusals: 0, readyAtMs: 0 }
}

function runOf({ issuedAtMs, runId }: Told) {
  return { issuedAtMs, runId, version: 0 }
}
