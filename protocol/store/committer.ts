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

interface Handed {
  readonly write: PlannedWrite | undefined
  readonly bytes: number
  readonly resolve: (wseq: number) => void
  readonly reject: (error: unknown) => void
}

/** What a barrier weighs: a map of promises must have a limit, too. */
const BARRIER_BYTES = 64

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
  #queue: Handed[] = []
  #queueBytes = 0
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

  /**
   * Resolves with the sequence of the synced batch that holds `write`. Rejects with OVERLOADED
   * where too much waits for the disk, else with what the store failed with.
   */
  write(write: PlannedWrite): Promise<number> {
    // It may fail before its batch is built, and before this write is refused.
    write.ready?.catch(() => undefined)
    return this.#hand(write, write.bytes)
  }

  /** Resolves once all handed in so far is synced. Makes no batch of its own. */
  barrier(): Promise<number> {
    if (this.#running === undefined && this.#failure === undefined) {
      return Promise.resolve(this.#wseq)
    }
    return this.#hand(undefined, BARRIER_BYTES)
  }

  /** Ends the store for good: nothing handed in is acknowledged, nothing more is written. */
  fail(error: MeshError): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#rejectAll(this.#queue.splice(0))
    this.#parts.onFailure(error)
  }

  /** Syncs what is handed in, with `last` behind it; later calls reject with STORE_FAILED. */
  async close(last: readonly StoreOp[]): Promise<void> {
    if (this.#failure !== undefined) {
      await this.#running
      return
    }
    await this.#hand({ bytes: BARRIER_BYTES, ready: undefined, plan: () => last }, BARRIER_BYTES)
    this.#failure ??= this.#failed('write', 'it is closed')
  }

  #hand(write: PlannedWrite | undefined, bytes: number): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure)
      } else if (this.#queueBytes + bytes > COMMIT_QUEUE_BYTES_MAX) {
        reject(new MeshError('OVERLOADED', { what: 'the store', max: COMMIT_QUEUE_BYTES_MAX }))
      } else {
        this.#queue.push({ write, bytes, resolve, reject })
        this.#queueBytes += bytes
        this.#running ??= this.#run()
      }
    })
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      // One turn of the loop lets every message that has arrived join (performance rule 3).
      await nextTurn()
      const batch = this.#take()
      try {
        await this.#commit(batch)
      } catch (error) {
        this.fail(error instanceof MeshError ? error : this.#failed('write', causeOf(error), error))
      }
      if (this.#failure === undefined) for (const { resolve } of batch) resolve(this.#wseq)
      else this.#rejectAll(batch)
    }
    this.#running = undefined
  }

  /** At least one entry, then as many as fit. */
  #take(): Handed[] {
    let bytes = 0
    let count = 0
    for (const handed of this.#queue) {
      bytes += handed.bytes
      if (count > 0 && bytes > COMMIT_BATCH_BYTES_MAX) break
      count += 1
    }
    const batch = this.#queue.splice(0, count)
    for (const handed of batch) this.#queueBytes -= handed.bytes
    return batch
  }

  async #commit(batch: readonly Handed[]): Promise<void> {
    const writes = batch.flatMap(({ write }) => write ?? [])
    if (writes.length === 0) return
    await Promise.all(writes.map(({ ready }) => ready))
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

  #rejectAll(batch: readonly Handed[]): void {
    for (const { reject } of batch) reject(this.#failure)
  }

  #failed(action: string, cause: string, error?: unknown): MeshError {
    return new MeshError('STORE_FAILED', { dir: this.#dir, action, cause }, { cause: error })
  }
}
