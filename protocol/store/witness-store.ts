import { MeshError } from '../core/errors.ts'
import { SYNC_ITEMS_MAX, SYNC_SCAN_MAX, WITNESS_REGISTERS_MAX } from '../core/limits.ts'
import type { SyncItem } from '../core/messages.ts'
import type {
  AcceptorRecord,
  HeldRuns,
  RecordKey,
  SyncPage,
  WitnessDrop,
  WitnessStore,
  WitnessWrite
} from '../core/ports.ts'
import type { RecordCodec } from './codec.ts'
import type { Committer } from './committer.ts'
import type { StoreOp } from './database.ts'
import { type Head, Heads } from './heads.ts'
import { announcementKey, behind, indexKey, recordKey, sequenceOf, tombstoneKey } from './keys.ts'
import type { Reader } from './reader.ts'
import { type IndexRow, indexRow, sameBallot, sealRow, unpackRow } from './record-row.ts'
import { sealedChecksum, sealJson, sealValue } from './sealed-value.ts'
import type { Tally } from './tally.ts'
import { WitnessRetention } from './witness-retention.ts'

export interface WitnessStoreParts {
  readonly reader: Reader
  readonly committer: Committer
  readonly tally: Tally
  readonly codec: RecordCodec
}

/** What was handed in for a row: a write, or, without a record, its drop. */
type Unsynced = WitnessWrite | { readonly record: undefined }

/** What a write weighs besides its record and announcement: keys, index row, counters. */
const WRITE_BYTES = 512

/** The WitnessStore port over LevelDB. Rejects with REQUEST_INVALID for names that can be none. */
export class LevelWitnessStore implements WitnessStore {
  readonly storeId: string
  readonly #parts: WitnessStoreParts
  /** Handed in and not yet synced, by row key; the latest one of each. */
  readonly #unsynced = new Map<string, Unsynced>()
  readonly #heads = new Heads(WITNESS_REGISTERS_MAX, (key) => this.#unsynced.has(key))
  /** Reads of heads that a write waits for. */
  readonly #finding = new Map<string, Promise<void>>()
  readonly #announcements = new Map<string, Uint8Array>()
  readonly #retention: WitnessRetention

  constructor(parts: WitnessStoreParts, options: { readonly storeId: string }) {
    this.#parts = parts
    this.storeId = options.storeId
    this.#retention = new WitnessRetention(parts)
  }

  /** The latest record handed in, synced or not: call `barrier` before a reply shows it. */
  async load(key: RecordKey): Promise<AcceptorRecord | undefined> {
    const row = recordKey(key)
    // Every further turn means that a write of this very row was synced during the read.
    for (;;) {
      this.#parts.committer.check()
      const before = this.#heads.get(row)
      const unsynced = this.#unsynced.get(row)
      if (unsynced !== undefined) return unsynced.record
      const sealed = await this.#parts.reader.sealed(row)
      // A write that came in meanwhile makes what was just read a forgotten promise.
      const overtaking = this.#unsynced.get(row)
      if (overtaking !== undefined) return overtaking.record
      const head = this.#heads.get(row)
      if (head !== before) continue
      const read = this.#decode(row, sealed)
      if (head === undefined) this.#heads.set(row, read.head)
      else if (head.checksum !== read.head.checksum) throw this.#parts.reader.lost(`${row} is old`)
      return read.record
    }
  }

  save(write: WitnessWrite): Promise<number> {
    try {
      return this.#save(write)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #save(write: WitnessWrite): Promise<number> {
    const { record, announcement } = write
    const { committer, codec } = this.#parts
    const row = recordKey(write.key)
    const known = announcement === undefined ? undefined : announcementKey(announcement.annHash)
    const encoded = codec.encodeRecord(record)
    const bytes = WRITE_BYTES + encoded.length + (announcement?.bytes.length ?? 0)
    const refusal = committer.refusal(bytes)
    // What is on its way to the disk stays what a load shows.
    if (refusal !== undefined) return Promise.reject(refusal)
    const ready = this.#heads.get(row) === undefined ? this.#find(row) : undefined
    this.#unsynced.set(row, write)
    if (known !== undefined && announcement !== undefined) {
      this.#announcements.set(known, announcement.bytes)
    }
    return committer.write({
      bytes,
      ready,
      plan: (sequence) => this.#plan(row, write, encoded, sequence),
      ended: () => this.#ended(row, write, known)
    })
  }

  #ended(row: string, write: WitnessWrite, known: string | undefined): void {
    if (this.#unsynced.get(row) === write) this.#unsynced.delete(row)
    if (known === undefined) return
    const isLatest = this.#announcements.get(known) === write.announcement?.bytes
    if (isLatest) this.#announcements.delete(known)
  }

  barrier(): Promise<number> {
    return this.#parts.committer.barrier()
  }

  /**
   * At most SYNC_ITEMS_MAX items of SYNC_SCAN_MAX index entries: a page of open registers may be
   * empty and say `more`. `openOnly` leaves out ended jobs; runs are always in, since a run whose
   * jobs were never created is known by nothing else.
   */
  async changes(sinceSeq: number, limit: number, openOnly: boolean): Promise<SyncPage> {
    const max = Math.min(limit, SYNC_ITEMS_MAX)
    const items: SyncItem[] = []
    let next = sinceSeq
    let scanned = 0
    const range = { gt: indexKey(sinceSeq), lt: behind('i/') }
    for await (const [key, sealed] of this.#parts.reader.rows(range)) {
      if (items.length >= max || scanned >= SYNC_SCAN_MAX) return { items, next, more: true }
      scanned += 1
      next = sequenceOf(key)
      const row = this.#parts.reader.unsealJson<IndexRow>(key, sealed)
      if (!openOnly || isOpen(row)) items.push({ ...row, seq: next })
    }
    return { items, next, more: false }
  }

  async announcement(annHash: string): Promise<Uint8Array | undefined> {
    this.#parts.committer.check()
    const key = announcementKey(annHash)
    const unsynced = this.#announcements.get(key)
    if (unsynced !== undefined) return unsynced
    return await this.#parts.reader.bytes(key)
  }

  async floors(): Promise<ReadonlyMap<string, number>> {
    return await this.#retention.floors()
  }

  async raiseFloor(gateway: string, gwSeq: number): Promise<number> {
    return await this.#retention.raiseFloor(gateway, gwSeq)
  }

  async runs(after: string, limit: number): Promise<HeldRuns> {
    return await this.#retention.runs(after, limit)
  }

  async forget(
    isOver: (droppedAtMs: number) => boolean,
    after: string,
    limit: number
  ): Promise<string | undefined> {
    return await this.#retention.forget(isOver, after, limit)
  }

  async isDropped(key: RecordKey): Promise<boolean> {
    this.#parts.committer.check()
    const unsynced = this.#unsynced.get(recordKey(key))
    if (unsynced !== undefined) return unsynced.record === undefined
    return (await this.#parts.reader.sealed(tombstoneKey(key))) !== undefined
  }

  async drop(drop: WitnessDrop): Promise<number> {
    const rows = new Map(drop.keys.map((key) => [recordKey(key), key]))
    // One that is on its way to the disk already would be counted twice.
    for (const row of rows.keys()) if (this.#isGoing(row)) rows.delete(row)
    const buried = new Set<string>()
    const bytes = WRITE_BYTES * (1 + rows.size)
    const refusal = this.#parts.committer.refusal(bytes)
    if (refusal !== undefined) throw refusal
    const mark = { record: undefined }
    for (const row of rows.keys()) this.#unsynced.set(row, mark)
    return await this.#parts.committer.write({
      bytes,
      ready: this.#findAll(rows, buried),
      plan: () => this.#planDrop(drop, rows, buried),
      ended: () => {
        for (const row of rows.keys()) {
          if (this.#unsynced.get(row) === mark) this.#unsynced.delete(row)
        }
      }
    })
  }

  #isGoing(row: string): boolean {
    const unsynced = this.#unsynced.get(row)
    return unsynced !== undefined && unsynced.record === undefined
  }

  /** Heads of all rows; those without one that have a tombstone already go to `buried`. */
  async #findAll(rows: ReadonlyMap<string, RecordKey>, buried: Set<string>): Promise<void> {
    for (const [row, key] of rows) {
      if (this.#heads.get(row) === undefined) await this.#find(row)
      const tombstone = await this.#parts.reader.sealed(tombstoneKey(key))
      if (tombstone !== undefined) buried.add(row)
    }
  }

  #planDrop(
    { annHashes, wallMs }: WitnessDrop,
    rows: ReadonlyMap<string, RecordKey>,
    buried: ReadonlySet<string>
  ): StoreOp[] {
    const operations: StoreOp[] = []
    for (const [row, key] of rows) {
      const head = this.#headOf(row)
      if (buried.has(row)) continue
      if (head.place !== 0) operations.push({ type: 'del', key: indexKey(head.place) })
      if (head.checksum !== undefined) operations.push({ type: 'del', key: row })
      const at = tombstoneKey(key)
      const value = sealJson(at, { droppedAtMs: wallMs })
      operations.push({ type: 'put', key: at, value })
      this.#parts.tally.replace(head.checksum, sealedChecksum(value))
      this.#heads.set(row, { place: 0, ballot: undefined, checksum: undefined })
    }
    for (const annHash of annHashes) {
      operations.push({ type: 'del', key: announcementKey(annHash) })
    }
    return operations
  }

  #headOf(row: string): Head {
    const head = this.#heads.get(row)
    if (head === undefined) throw new MeshError('BUG', { problem: `${row} has no head` })
    return head
  }

  #plan(row: string, write: WitnessWrite, bytes: Uint8Array, sequence: number): StoreOp[] {
    const head = this.#headOf(row)
    const { record, announcement, key } = write
    const operations: StoreOp[] = []
    const ballot = record.accepted?.ballot
    let place = head.place
    const entry = sameBallot(ballot, head.ballot) ? undefined : indexRow(key.witnessEpoch, record)
    if (entry !== undefined) {
      if (place !== 0) operations.push({ type: 'del', key: indexKey(place) })
      place = sequence
      const at = indexKey(place)
      operations.push({ type: 'put', key: at, value: sealJson(at, entry) })
    }
    const value = sealRow(row, place, bytes)
    operations.push({ type: 'put', key: row, value })
    if (announcement !== undefined) {
      const at = announcementKey(announcement.annHash)
      operations.push({ type: 'put', key: at, value: sealValue(at, announcement.bytes) })
    }
    const checksum = sealedChecksum(value)
    this.#parts.tally.replace(head.checksum, checksum)
    this.#heads.set(row, { place, ballot, checksum })
    return operations
  }

  /** One read for all writes that wait for one head. */
  #find(row: string): Promise<void> {
    const running = this.#finding.get(row)
    if (running !== undefined) return running
    const finding = this.#readHead(row).finally(() => this.#finding.delete(row))
    this.#finding.set(row, finding)
    return finding
  }

  async #readHead(row: string): Promise<void> {
    const sealed = await this.#parts.reader.sealed(row)
    // A load may have been faster; and with it a first write, whose head is the newer one.
    if (this.#heads.get(row) === undefined) this.#heads.set(row, this.#decode(row, sealed).head)
  }

  #decode(
    row: string,
    sealed: Uint8Array | undefined
  ): { readonly record: AcceptorRecord | undefined; readonly head: Head } {
    if (sealed === undefined) {
      return { record: undefined, head: { place: 0, ballot: undefined, checksum: undefined } }
    }
    const { reader, codec } = this.#parts
    const { place, record: bytes } = unpackRow(reader.unseal(row, sealed))
    const record = reader.checked(() => codec.decodeRecord(bytes))
    const ballot = record.accepted?.ballot
    return { record, head: { place, ballot, checksum: sealedChecksum(sealed) } }
  }
}

function isOpen({ phase }: IndexRow): boolean {
  return phase === 'queued' || phase === 'leased' || phase === 'run'
}
