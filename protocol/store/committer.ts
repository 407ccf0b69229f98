import { setImmediate as nextTurn } from 'node:timers/promises'
import { causeOf, MeshError } from '../core/errors.ts'
import { COMMIT_BATCH_BYTES_MAX, COMMIT_QUEUE_BYTES_MAX } from '../core/limits.ts'
import type { Database, StoreOp } from './database.ts'
import { META_WSEQ } from './keys.ts'
import { sealJson } from './sealed-value.ts'
import type { SyncMeter } from './sync-meter.ts'
import type { Tally } from './tally.ts'

/** A write that was handed in; it becomes operations when its batch is built, in call order. */
export interface PlannedWrite {
  /** About what it weighs, for the limits. */
  readonly bytes: number
  /** Settles before `plan` is called: what it must know from the disk. */
  readonly ready: Promise<void> | undefined
  /** `sequence` is this write's own; never given to another. */
  readonly plan: (sequence: number) => readonly StoreOp[]
  /** Called once it is on the disk, or will never be, before whoever waits for that goes on. */
  readonly ended?: () => void
}

export interface CommitterParts {
  readonly database: Pick<Database, 'batch'>
  /** Written with the sequence in every batch; plans change it. */
  readonly tally: Tally
  readonly onFailure: (error: MeshError) => void
  readonly meter?: SyncMeter | undefined
}

export interface CommitterOptions {
  readonly dir: string
  /** Sequence of the last synced batch. */
  readonly wseq: number
}

/** Writes that reach the disk together, and the promise that all who handed them in wait for. */
interface Batch {
  readonly writes: PlannedWrite[]
  bytes: number
  readonly synced: PromiseWithResolvers<number>
}

/** What the mark of a clean stop weighs. */
const LAST_BYTES = 64

/**
 * Group commit: one synced batch in flight, the next one collects. The first failed write is final
 * (D6): LevelDB would go on behind a torn log record and lose all later writes at the next start.
 */
export class Committer {
  readonly #parts: CommitterParts
  readonly #dir: string
  #wseq: number
  /** Of the last planned write; runs ahead of `#wseq` while a batch is in flight. */
  #sequence: number
  /** Not begun, oldest first; the last one collects. */
  readonly #queue: Batch[] = []
  #queueBytes = 0
  /** On its way to the disk. */
  #flying: Batch | undefined
  #running: Promise<void> | undefined
  #failure: MeshError | undefined

  constructor(parts: CommitterParts, options: CommitterOptions) {
    this.#parts = parts
    this.#dir = options.dir
    this.#wseq = options.wseq
    this.#sequence = options.wseq
  }

  /** Throws what the store failed with. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Why `write` would reject at once: OVERLOADED where too much waits for the disk. */
  refusal(bytes: number): MeshError | undefined {
    if (this.#failure !== undefined) return this.#failure
    if (this.#queueBytes + bytes <= COMMIT_QUEUE_BYTES_MAX) return undefined
    return new MeshError('OVERLOADED', { what: 'the store', max: COMMIT_QUEUE_BYTES_MAX })
  }

  /**
   * Resolves with the sequence of the synced batch that holds `write`. Rejects with its `refusal`,
   * else with what the store failed with.
   */
  write(write: PlannedWrite): Promise<number> {
    // It may fail before its batch is built, and before this write is refused.
    write.ready?.catch(() => undefined)
    const refusal = this.refusal(write.bytes)
    if (refusal !== undefined) return Promise.reject(refusal)
    const batch = this.#roomFor(write.bytes)
    batch.writes.push(write)
    batch.bytes += write.bytes
    this.#queueBytes += write.bytes
    this.#running ??= this.#run()
    return batch.synced.promise
  }

  /** Resolves once all handed in so far is synced. Makes no batch of its own. */
  barrier(): Promise<number> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    const last = this.#queue.at(-1) ?? this.#flying
    return last === undefined ? Promise.resolve(this.#wseq) : last.synced.promise
  }

  /** Ends the store for good: nothing handed in is acknowledged, nothing more is written. */
  fail(error: MeshError): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    for (const batch of this.#queue.splice(0)) this.#end(batch)
    this.#parts.onFailure(error)
  }

  /** Syncs what is handed in, with `last` behind it; later calls reject with STORE_FAILED. */
  async close(last: readonly StoreOp[]): Promise<void> {
    if (this.#failure !== undefined) {
      await this.#running
      return
    }
    await this.write({ bytes: LAST_BYTES, ready: undefined, plan: () => last })
    this.#failure ??= this.#failed('write', 'it is closed')
  }

  /** The batch that collects, or a new one where it is full; each takes one write at least. */
  #roomFor(bytes: number): Batch {
    const last = this.#queue.at(-1)
    if (last !== undefined && last.bytes + bytes <= COMMIT_BATCH_BYTES_MAX) return last
    const batch = { writes: [], bytes: 0, synced: Promise.withResolvers<number>() }
    this.#queue.push(batch)
    return batch
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      // One turn of the loop lets every message that has arrived join (performance rule 3).
      await nextTurn()
      const batch = this.#queue.shift()
      if (batch === undefined) continue
      this.#queueBytes -= batch.bytes
      this.#flying = batch
      try {
        await this.#commit(batch.writes)
      } catch (error) {
        this.fail(error instanceof MeshError ? error : this.#failed('write', causeOf(error), error))
      }
      this.#flying = undefined
      this.#end(batch)
    }
    this.#running = undefined
  }

  async #commit(writes: readonly PlannedWrite[]): Promise<void> {
    await Promise.all(writes.flatMap(({ ready }) => ready ?? []))
    this.check()
    const operations: StoreOp[] = []
    for (const { plan } of writes) {
      this.#sequence += 1
      for (const operation of plan(this.#sequence)) operations.push(operation)
    }
    const state = { wseq: this.#sequence, ...this.#parts.tally.value() }
    operations.push({ type: 'put', key: META_WSEQ, value: sealJson(META_WSEQ, state) })
    const wseq = this.#sequence
    const measured = this.#parts.meter?.begin()
    await this.#parts.database.batch(operations, { sync: true })
    measured?.()
    this.#wseq = wseq
  }

  #end({ writes, synced }: Batch): void {
    for (const { ended } of writes) ended?.()
    if (this.#failure === undefined) synced.resolve(this.#wseq)
    else synced.reject(this.#failure)
  }

  #failed(action: string, cause: string, error?: unknown): MeshError {
    return new MeshError('STORE_FAILED', { dir: this.#dir, action, cause }, { cause: error })
  }
}
