import { backoffMs } from '../../protocol/core/backoff.ts'
import {
  STATUS_PARALLEL_MAX,
  STATUS_RETRY_MS_MAX,
  STATUS_RETRY_MS_MIN
} from '../../protocol/core/forge-limits.ts'
import type { OutboxRow } from './told.ts'

export const STATUS_RETRY = { firstMs: STATUS_RETRY_MS_MIN, maxMs: STATUS_RETRY_MS_MAX }

/** One row as the outbox works on it. */
export interface Entry {
  readonly number: number
  readonly key: string
  readonly place: string
  row: OutboxRow
  /** Refusals since it last changed. */
  refusals: number
  /** Boot clock before which it is not tried again. */
  readyAtMs: number
  /** Boot clock since which it has something to tell. */
  waitsSinceMs?: number | undefined
}

/** What waits for one host, in the order in which it came. */
export class Lane {
  readonly #waiting = new Map<string, Entry>()
  readonly #flying = new Set<string>()
  #readyAtMs = 0
  #failures = 0

  add(entry: Entry): void {
    // One that waits keeps its turn: only what it says has changed.
    this.#waiting.set(entry.key, entry)
  }

  remove(entry: Entry): void {
    this.#waiting.delete(entry.key)
  }

  get size(): number {
    return this.#waiting.size
  }

  /**
   * The next one to be sent now; its place is taken until `landed`. A place has one at a time, so
   * that two requests cannot overtake each other.
   */
  next(nowMs: number): Entry | undefined {
    if (this.#readyAtMs > nowMs || this.#flying.size >= STATUS_PARALLEL_MAX) return undefined
    // One at a time while it is not known that anybody is there.
    if (this.#failures > 0 && this.#flying.size > 0) return undefined
    for (const entry of this.#waiting.values()) {
      if (entry.readyAtMs > nowMs || this.#flying.has(entry.place)) continue
      this.#flying.add(entry.place)
      return entry
    }
    return undefined
  }

  landed(entry: Entry): void {
    this.#flying.delete(entry.place)
  }

  /** The host answers. */
  succeeded(): void {
    this.#failures = 0
  }

  /** Nothing is asked of it for that long. */
  pause(nowMs: number, waitMs: number): void {
    this.#readyAtMs = Math.max(this.#readyAtMs, nowMs + waitMs)
  }

  /** The host did not answer: waits longer each time. Gives the wait in milliseconds. */
  failed(nowMs: number, unit: number): number {
    const waitMs = Math.ceil(backoffMs(this.#failures, unit, STATUS_RETRY))
    this.#failures += 1
    this.pause(nowMs, waitMs)
    return waitMs
  }

  /** When there may be something to send, by the boot clock; infinite where nothing waits. */
  dueAtMs(): number {
    let dueMs = Number.POSITIVE_INFINITY
    for (const entry of this.#waiting.values()) {
      if (this.#flying.has(entry.place)) continue
      dueMs = Math.min(dueMs, Math.max(entry.readyAtMs, this.#readyAtMs))
      // Nothing can be sooner.
      if (dueMs === this.#readyAtMs) break
    }
    return dueMs
  }
}
