import { MeshError } from '../../protocol/core/errors.ts'
import type {
  AcceptorRecord,
  Clock,
  HeldRuns,
  RecordKey,
  SyncPage,
  WitnessDrop,
  WitnessStore,
  WitnessWrite
} from '../../protocol/core/ports.ts'
import { runIdOf } from '../../protocol/core/run.ts'

interface Commit {
  /** Undefined for a barrier, which waits for the sync and has no sequence of its own. */
  readonly apply: (() => void) | undefined
  readonly done: (sequence: number) => void
  readonly failed: (error: Error) => void
}

/** What a disk holds: what survives a crash. */
interface Disk {
  readonly records: Map<string, AcceptorRecord>
  readonly announcements: Map<string, Uint8Array>
  readonly index: Map<string, { readonly write: WitnessWrite; readonly seq: number }>
  readonly floors: Map<string, number>
  readonly tombstones: Map<string, number>
  wseq: number
}

/**
 * A witness's store whose sync takes time on the given clock, can be held back, can fail, and loses
 * in a crash exactly what was not synced.
 */
export class CrashStore implements WitnessStore {
  readonly storeId: string
  /** How many writes were handed in. */
  saves = 0
  /** While true, writes are refused as those of a queue that is full. */
  isFull = false
  readonly #clock: Clock
  readonly #disk: Disk
  #queue: Commit[] = []
  #isBusy = false
  #isHeld = false
  #failure: MeshError | undefined

  constructor(clock: Clock, storeId: string, disk: Disk = emptyDisk()) {
    this.#clock = clock
    this.storeId = storeId
    this.#disk = disk
  }

  /** A new process over the same disk; what this one had not synced is gone. */
  restart(): CrashStore {
    this.#queue = []
    this.#isHeld = true
    return new CrashStore(this.#clock, this.storeId, this.#disk)
  }

  /** What a backup of the disk would bring back: all that was synced up to now. */
  copy(): CrashStore {
    const { records, announcements, index, floors, tombstones, wseq } = this.#disk
    const disk = {
      records: new Map(records),
      announcements: new Map(announcements),
      index: new Map(index),
      floors: new Map(floors),
      tombstones: new Map(tombstones),
      wseq
    }
    return new CrashStore(this.#clock, this.storeId, disk)
  }

  /** No sync ends from here on, until `release`. */
  hold(): void {
    this.#isHeld = true
  }

  release(): void {
    this.#isHeld = false
    this.#pump()
  }

  /** Every sync fails from here on. */
  fail(): void {
    this.#failure = new MeshError('STORE_FAILED', { dir: 'memory', action: 'sync', cause: 'EIO' })
    for (const { failed } of this.#queue.splice(0)) failed(this.#failure)
  }

  async load(key: RecordKey): Promise<AcceptorRecord | undefined> {
    return this.#disk.records.get(nameOf(key))
  }

  save(write: WitnessWrite): Promise<number> {
    this.saves += 1
    if (this.isFull) {
      return Promise.reject(new MeshError('OVERLOADED', { what: 'the store', max: 0 }))
    }
    return this.#commit(() => {
      const name = nameOf(write.key)
      const before = this.#disk.records.get(name)
      this.#disk.records.set(name, write.record)
      const { announcement } = write
      if (announcement !== undefined) {
        this.#disk.announcements.set(announcement.annHash, announcement.bytes)
      }
      if (write.record.accepted === undefined) return
      if (write.record.accepted === before?.accepted) return
      this.#disk.index.delete(name)
      this.#disk.index.set(name, { write, seq: this.#disk.wseq })
    })
  }

  barrier(): Promise<number> {
    return this.#commit(undefined)
  }

  async changes(sinceSeq: number, limit: number, openOnly: boolean): Promise<SyncPage> {
    const all = [...this.#disk.index.values()].flatMap(({ write, seq }) => {
      const value = write.record.accepted?.value
      if (value === undefined || seq <= sinceSeq) return []
      const isOpen = value.phase === 'queued' || value.phase === 'leased' || value.phase === 'run'
      if (openOnly && !isOpen) return []
      const { version, phase, annHash } = value
      return [{ ...write.key, seq, version, phase, annHash }]
    })
    const items = all.slice(0, limit)
    const more = all.length > items.length
    return { items, more, next: items.at(-1)?.seq ?? sinceSeq }
  }

  async announcement(annHash: string): Promise<Uint8Array | undefined> {
    return this.#disk.announcements.get(annHash)
  }

  async floors(): Promise<ReadonlyMap<string, number>> {
    return new Map(this.#disk.floors)
  }

  raiseFloor(gateway: string, gwSeq: number): Promise<number> {
    return this.#commit(() => {
      const { floors } = this.#disk
      floors.set(gateway, Math.max(gwSeq, floors.get(gateway) ?? 0))
    })
  }

  async runs(after: string, limit: number): Promise<HeldRuns> {
    const held = [...this.#disk.records].map(([name, { accepted }]) => {
      const [register = '', epoch] = name.split('@')
      const { phase, annHash = '' } = accepted?.value ?? {}
      return { register, witnessEpoch: Number(epoch), phase, annHash }
    })
    const ids = [...new Set(held.map(({ register }) => runIdOf(register)))].sort()
    const newer = ids.filter((id) => id > after)
    const page = newer.slice(0, limit)
    const runs = page.map((id) => held.filter(({ register }) => runIdOf(register) === id))
    return { runs, next: page.length < newer.length ? page.at(-1) : undefined }
  }

  drop({ keys, annHashes, wallMs }: WitnessDrop): Promise<number> {
    return this.#commit(() => {
      for (const name of keys.map(nameOf)) {
        this.#disk.records.delete(name)
        this.#disk.index.delete(name)
        this.#disk.tombstones.set(name, this.#disk.tombstones.get(name) ?? wallMs)
      }
      for (const annHash of annHashes) this.#disk.announcements.delete(annHash)
    })
  }

  async isDropped(key: RecordKey): Promise<boolean> {
    return this.#disk.tombstones.has(nameOf(key))
  }

  async forget(isOver: (droppedAtMs: number) => boolean): Promise<undefined> {
    for (const [name, atMs] of this.#disk.tombstones) {
      if (isOver(atMs)) this.#disk.tombstones.delete(name)
    }
  }

  #commit(apply: Commit['apply']): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    this.#queue.push({ apply, done: resolve, failed: reject })
    this.#pump()
    return promise
  }

  /** Group commit: all that waits goes out in one sync. */
  #pump(): void {
    if (this.#isBusy || this.#isHeld || this.#queue.length === 0) return
    this.#isBusy = true
    const batch = this.#queue
    this.#queue = []
    this.#clock.arm(SYNC_MS, () => {
      this.#isBusy = false
      if (this.#isHeld) this.#queue = [...batch, ...this.#queue]
      else this.#sync(batch)
      this.#pump()
    })
  }

  #sync(batch: readonly Commit[]): void {
    for (const { apply, done } of batch) {
      if (apply !== undefined) this.#disk.wseq += 1
      apply?.()
      done(this.#disk.wseq)
    }
  }
}

/** Milliseconds of one sync. */
const SYNC_MS = 1

function emptyDisk(): Disk {
  return {
    records: new Map(),
    announcements: new Map(),
    index: new Map(),
    floors: new Map(),
    tombstones: new Map(),
    wseq: 0
  }
}

function nameOf({ register, witnessEpoch }: RecordKey): string {
  return `${register}@${witnessEpoch}`
}
