import { MeshError } from '../core/errors.ts'
import { floorOver } from '../core/floor.ts'
import { ANNOUNCEMENTS_OPEN_MAX } from '../core/limits.ts'
import type { StoreOp } from './database.ts'
import { behind, META_GWFLOOR, META_GWSEQ, openKey, sequenceOf } from './keys.ts'
import type { Reader } from './reader.ts'
import { sealJson } from './sealed-value.ts'

/** An announcement of this gateway that was sealed, and whose run is not known as closed. */
export interface OpenAnnouncement {
  readonly gwSeq: number
  readonly runId: string
  readonly witnessEpoch: number
  /** Wall clock, milliseconds. */
  readonly issuedAtMs: number
}

/** Empty between the draw of a number and its announcement. */
type OpenRow = Partial<Omit<OpenAnnouncement, 'gwSeq'>>

interface FloorRow {
  readonly floor: number
  /** Numbers up to here were drawn before rows were kept of them: nobody knows their runs. */
  readonly unknownTo: number
}

/**
 * Which numbers of this gateway's announcements are open, and so its floor (lease-protocol 4.12.5).
 * Each number has a row from its draw on, in one batch with the counter: a number without a row is
 * closed, or was drawn by a process that ended before it had sealed anything under it.
 */
export class OpenAnnouncements {
  readonly #open = new Map<number, OpenAnnouncement>()
  /** Drawn by this process, nothing sealed yet. */
  readonly #drawn = new Set<number>()
  /** Rows of numbers that a process before this one drew in vain. */
  #idle: number[] = []
  #gwSeq = 0
  #floor = 0
  #unknownTo = 0

  async load(reader: Reader): Promise<void> {
    const counter = await reader.json<{ readonly gwSeq: number }>(META_GWSEQ)
    const floor = await reader.json<FloorRow>(META_GWFLOOR)
    this.#floor = floor?.floor ?? 0
    // A draw that the disk refused counted for the floor: below it a run would be gone at birth.
    this.#gwSeq = Math.max(counter?.gwSeq ?? 0, this.#floor)
    this.#unknownTo = floor?.unknownTo ?? this.#gwSeq
    for await (const [key, sealed] of reader.rows({ gt: 'o/', lt: behind('o/') })) {
      const gwSeq = sequenceOf(key)
      const row = reader.unsealJson<OpenRow>(key, sealed)
      const { runId, witnessEpoch, issuedAtMs } = row
      if (runId === undefined || witnessEpoch === undefined || issuedAtMs === undefined) {
        // Its bytes were never on the disk, so nobody has seen them: it can be no run's.
        this.#idle.push(gwSeq)
      } else {
        this.#open.set(gwSeq, { gwSeq, runId, witnessEpoch, issuedAtMs })
      }
    }
  }

  /** All up to here are closed. */
  get floor(): number {
    return this.#floor
  }

  /** Sealed ones, oldest first. */
  list(): readonly OpenAnnouncement[] {
    return [...this.#open.values()].sort((a, b) => a.gwSeq - b.gwSeq)
  }

  /** The next number, `least` or more, with the writes that keep it. Throws OVERLOADED. */
  draw(least = 1): { readonly gwSeq: number; readonly operations: readonly StoreOp[] } {
    if (this.#open.size + this.#drawn.size >= ANNOUNCEMENTS_OPEN_MAX) {
      throw new MeshError('OVERLOADED', { what: 'this gateway', max: ANNOUNCEMENTS_OPEN_MAX })
    }
    const isFirst = this.#gwSeq === 0
    this.#gwSeq = Math.max(this.#gwSeq + 1, least)
    const gwSeq = this.#gwSeq
    this.#drawn.add(gwSeq)
    const key = openKey(gwSeq)
    const operations: StoreOp[] = [
      { type: 'put', key: META_GWSEQ, value: sealJson(META_GWSEQ, { gwSeq }) },
      { type: 'put', key, value: sealJson(key, {} satisfies OpenRow) }
    ]
    if (isFirst) operations.push(this.#floorOp())
    return { gwSeq, operations }
  }

  /** The write that says what was sealed under the number; in the batch that brings its bytes. */
  seal(announcement: OpenAnnouncement): StoreOp {
    const { gwSeq, ...row } = announcement
    this.#drawn.delete(gwSeq)
    this.#open.set(gwSeq, announcement)
    const key = openKey(gwSeq)
    return { type: 'put', key, value: sealJson(key, row satisfies OpenRow) }
  }

  /** The writes by which these numbers are closed, the floor among them. */
  close(gwSeqs: readonly number[]): readonly StoreOp[] {
    const gone = [...gwSeqs, ...this.#idle.splice(0)]
    for (const gwSeq of gwSeqs) {
      this.#open.delete(gwSeq)
      this.#drawn.delete(gwSeq)
    }
    const unknown = this.#unknownTo > 0 ? [1] : []
    const open = [...unknown, ...this.#open.keys(), ...this.#drawn]
    this.#floor = floorOver(this.#floor, this.#gwSeq, open)
    const dropped = gone.map((gwSeq): StoreOp => ({ type: 'del', key: openKey(gwSeq) }))
    return [...dropped, this.#floorOp()]
  }

  #floorOp(): StoreOp {
    const row: FloorRow = { floor: this.#floor, unknownTo: this.#unknownTo }
    return { type: 'put', key: META_GWFLOOR, value: sealJson(META_GWFLOOR, row) }
  }
}
