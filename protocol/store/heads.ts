import type { Ballot } from '../core/ballot.ts'

/** What must be known of a register's row to replace it. */
export interface Head {
  /** Where the index has it; 0: nowhere. */
  readonly place: number
  /** Of what is accepted. */
  readonly ballot: Ballot | undefined
  /** The row's; undefined where there is no row yet. */
  readonly checksum: number | undefined
}

/** The heads used last, at most `max`; one that `isPinned` stays, since a write is behind it. */
export class Heads {
  readonly #heads = new Map<string, Head>()
  readonly #max: number
  readonly #isPinned: (key: string) => boolean

  constructor(max: number, isPinned: (key: string) => boolean) {
    this.#max = max
    this.#isPinned = isPinned
  }

  get(key: string): Head | undefined {
    return this.#heads.get(key)
  }

  set(key: string, head: Head): void {
    this.#heads.delete(key)
    this.#heads.set(key, head)
    if (this.#heads.size <= this.#max) return
    for (const oldest of this.#heads.keys()) {
      if (this.#isPinned(oldest)) continue
      this.#heads.delete(oldest)
      return
    }
  }
}
