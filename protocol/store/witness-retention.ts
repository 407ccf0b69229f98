import type { HeldRegister, HeldRuns } from '../core/ports.ts'
import { runIdOf } from '../core/run.ts'
import type { RecordCodec } from './codec.ts'
import type { Committer } from './committer.ts'
import type { StoreOp } from './database.ts'
import { behind, floorKey, META_FLOORS } from './keys.ts'
import type { Reader } from './reader.ts'
import { unpackRow } from './record-row.ts'
import { sealedChecksum, sealJson } from './sealed-value.ts'
import type { Tally } from './tally.ts'

export interface WitnessRetentionParts {
  readonly reader: Reader
  readonly committer: Committer
  readonly tally: Tally
  readonly codec: RecordCodec
}

interface FloorRow {
  readonly gwSeq: number
}

interface TombstoneRow {
  /** Wall clock, milliseconds. */
  readonly droppedAtMs: number
}

/** What a floor, or the end of a tombstone, weighs in a batch. */
const ROW_BYTES = 512

/** Floors, tombstones and the walk over all runs of a witness's store (lease-protocol 4.10). */
export class WitnessRetention {
  readonly #parts: WitnessRetentionParts
  /** As handed in: a floor never goes back, not even on its way to the disk. */
  #floors: Promise<Map<string, number>> | undefined

  constructor(parts: WitnessRetentionParts) {
    this.#parts = parts
  }

  async floors(): Promise<ReadonlyMap<string, number>> {
    this.#floors ??= this.#readFloors()
    return await this.#floors
  }

  async raiseFloor(gateway: string, gwSeq: number): Promise<number> {
    this.#floors ??= this.#readFloors()
    const floors = await this.#floors
    const key = floorKey(gateway)
    if (gwSeq <= (floors.get(gateway) ?? 0)) return await this.#parts.committer.barrier()
    const written = this.#write(() => {
      const row: FloorRow = { gwSeq: Math.max(gwSeq, floors.get(gateway) ?? 0) }
      return [{ type: 'put', key, value: sealJson(key, row) }]
    })
    const synced = await written
    floors.set(gateway, Math.max(gwSeq, floors.get(gateway) ?? 0))
    return synced
  }

  /** Ids of runs are all of one length: so the keys of one run are neighbours. */
  async runs(after: string, limit: number): Promise<HeldRuns> {
    const { reader } = this.#parts
    const runs: HeldRegister[][] = []
    let last = ''
    const range = { gt: after === '' ? 'r/' : behind(`r/${after}`), lt: behind('r/') }
    for await (const [key, sealed] of reader.rows(range)) {
      const held = this.#heldOf(key, sealed)
      const runId = runIdOf(held.register)
      if (runId !== last) {
        if (runs.length >= limit) return { runs, next: last }
        runs.push([])
        last = runId
      }
      runs.at(-1)?.push(held)
    }
    return { runs, next: undefined }
  }

  async forget(
    isOver: (droppedAtMs: number) => boolean,
    after: string,
    limit: number
  ): Promise<string | undefined> {
    const { reader } = this.#parts
    const over = new Map<string, number>()
    let scanned = 0
    let next = after
    let isMore = false
    for await (const [key, sealed] of reader.rows({ gt: `t/${after}`, lt: behind('t/') })) {
      isMore = scanned >= limit
      if (isMore) break
      scanned += 1
      next = key.slice('t/'.length)
      const { droppedAtMs } = reader.unsealJson<TombstoneRow>(key, sealed)
      if (isOver(droppedAtMs)) over.set(key, sealedChecksum(sealed))
    }
    if (over.size > 0) await this.#write(() => this.#remove(over), over.size)
    return isMore ? next : undefined
  }

  #remove(over: ReadonlyMap<string, number>): StoreOp[] {
    return [...over].map(([key, checksum]) => {
      this.#parts.tally.remove(checksum)
      return { type: 'del', key }
    })
  }

  #heldOf(key: string, sealed: Uint8Array): HeldRegister {
    const { reader, codec } = this.#parts
    const { record } = unpackRow(reader.unseal(key, sealed))
    const value = reader.checked(() => codec.decodeRecord(record)).accepted?.value
    const at = key.lastIndexOf('@')
    const register = key.slice('r/'.length, at)
    const witnessEpoch = Number(key.slice(at + 1))
    return { register, witnessEpoch, phase: value?.phase, annHash: value?.annHash ?? '' }
  }

  #write(plan: () => readonly StoreOp[], rows = 1): Promise<number> {
    return this.#parts.committer.write({ bytes: ROW_BYTES * rows, ready: undefined, plan })
  }

  async #readFloors(): Promise<Map<string, number>> {
    const { reader } = this.#parts
    const floors = new Map<string, number>()
    for await (const [key, sealed] of reader.rows({ gt: META_FLOORS, lt: behind(META_FLOORS) })) {
      const { gwSeq } = reader.unsealJson<FloorRow>(key, sealed)
      floors.set(key.slice(META_FLOORS.length), gwSeq)
    }
    return floors
  }
}
