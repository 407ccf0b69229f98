import { backoffMs } from '../../protocol/core/backoff.ts'
import { causeOf, codeOf } from '../../protocol/core/errors.ts'
import {
  STATUS_REFUSALS_MAX,
  STATUS_UNTOLD_MS_MAX,
  STATUSES_KEPT_MAX
} from '../../protocol/core/forge-limits.ts'
import type { Clock, Random } from '../../protocol/core/ports.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { RowTable } from '../../protocol/store/row-table.ts'
import { limitedMsOf } from '../forge/forge-refusal.ts'
import { type Entry, Lane, STATUS_RETRY } from './lane.ts'
import { OutboxRows } from './outbox-rows.ts'
import { contentOf, type OutboxRow, type Told } from './told.ts'

/** Where what is told goes. */
export interface StatusSender {
  /** What limits and failures are counted for; undefined where nobody is to be told any more. */
  hostOf(told: Told): string | undefined
  /** Resolves once it is acknowledged. Rejects as ForgeApi does. */
  send(told: Told, signal: AbortSignal): Promise<void>
}

export interface OutboxParts {
  readonly table: RowTable
  readonly sender: StatusSender
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

export interface OutboxOptions {
  /** STATUSES_KEPT_MAX where absent. */
  readonly keptMax?: number | undefined
}

/** What an operator is shown of one row. */
export interface OutboxView {
  readonly repository: string
  readonly runId: string
  readonly context: string
  readonly state: string
  readonly settled: OutboxRow['settled']
  readonly reason: string
}

/** Failures after which nothing is tried again by itself: the store is gone. */
const STORE_CODES: ReadonlySet<string | undefined> = new Set(['STORE_FAILED', 'STORE_SUSPECT'])
/** Not the host's fault, but that of this one status, or of what we are known by there. */
const PASSING: ReadonlySet<string | undefined> = new Set([
  'FORGE_UNREACHABLE',
  'FORGE_LIMITED',
  'STATE_ABSENT',
  undefined
])

/**
 * What forges and callbacks are still to be told: synced before it is sent, sent at least once, and
 * per context of a commit never backwards. Of what goes on only the newest state is sent; an end
 * always is.
 */
export class Outbox {
  readonly #parts: OutboxParts
  readonly #rows: OutboxRows
  readonly #lanes = new Map<string, Lane>()
  readonly #abort = new AbortController()
  readonly #flights = new Set<Promise<void>>()
  #isRunning = false
  #disarm: () => void = () => undefined

  constructor(parts: OutboxParts, options: OutboxOptions = {}) {
    this.#parts = parts
    this.#rows = new OutboxRows(parts.table, options.keptMax ?? STATUSES_KEPT_MAX)
  }

  /** Goes on with what earlier processes left unsent. Throws STORE_SUSPECT, STORE_FAILED. */
  async start(): Promise<void> {
    for (const entry of await this.#rows.load()) this.#queue(entry)
    this.#isRunning = true
    const left = [...this.#lanes.values()].reduce((sum, { size }) => sum + size, 0)
    if (left > 0) this.#parts.log.info({ count: left }, 'statuses resumed')
    this.#pump()
  }

  /** Sends nothing new and lets what is on its way arrive for `limitMs`; the rest is kept. */
  async stop(limitMs: number): Promise<void> {
    this.#isRunning = false
    this.#disarm()
    const cancel = this.#parts.clock.arm(limitMs, () => {
      this.#abort.abort(new Error('the gateway stops'))
    })
    await Promise.all(this.#flights)
    cancel()
  }

  /** Rows that are not settled. */
  get open(): number {
    return this.#rows.open
  }

  /** Rows that have something to tell. */
  get unsent(): number {
    return this.#rows.waiting().length
  }

  /** Milliseconds for which the oldest of those has waited, since the start of this process. */
  get oldestMs(): number | undefined {
    const since = this.#rows.waiting().flatMap(({ waitsSinceMs }) => waitsSinceMs ?? [])
    if (since.length === 0) return undefined
    return this.#parts.clock.bootMs() - since.reduce((a, b) => Math.min(a, b))
  }

  /** What was told last of all that is not settled. */
  goingOn(): readonly Told[] {
    return this.#rows.goingOn()
  }

  /** What was given up, newest first, for an operator. */
  givenUp(limit: number): readonly OutboxView[] {
    return this.#rows.givenUp(limit).map(({ told, settled, reason = '' }) => {
      const { repository, runId, context, state } = told
      return { repository, runId, context, state, settled, reason }
    })
  }

  /**
   * Takes what is to be told; resolves once it is synced, or is no news: older than what is kept,
   * or the same. Rejects with STORE_FAILED, and with OVERLOADED, when nothing was taken.
   */
  async tell(told: Told): Promise<void> {
    const oldestMs = this.#parts.clock.wallMs() - STATUS_UNTOLD_MS_MAX
    const taken = this.#rows.take(told, oldestMs)
    if (taken === undefined) return
    const { entry, dropped, undo } = taken
    for (const gone of dropped) this.#dropped(gone)
    try {
      await this.#rows.save([entry], dropped)
    } catch (error) {
      undo()
      throw error
    }
    this.#queue(entry)
    this.#pump()
  }

  /** Tries at once what waits: a forge, a credential or the settings may be there again. */
  wake(): void {
    for (const entry of this.#rows.waiting()) {
      entry.readyAtMs = 0
      this.#queue(entry)
    }
    this.#pump()
  }

  #dropped(entry: Entry): void {
    const { told, settled } = entry.row
    if (settled !== undefined) return
    for (const lane of this.#lanes.values()) lane.remove(entry)
    const { repository, context, runId: run, state } = told
    this.#parts.log.warn({ repository, context, run, state }, 'status dropped, too many are kept')
  }

  #queue(entry: Entry): void {
    const { row } = entry
    if (row.settled !== undefined || row.sent === contentOf(row.told)) return
    const host = this.#parts.sender.hostOf(row.told)
    if (host === undefined) return
    entry.waitsSinceMs ??= this.#parts.clock.bootMs()
    const lane = this.#lanes.get(host) ?? new Lane()
    this.#lanes.set(host, lane)
    lane.add(entry)
  }

  #pump(): void {
    if (!this.#isRunning) return
    this.#disarm()
    const nowMs = this.#parts.clock.bootMs()
    let dueMs = Number.POSITIVE_INFINITY
    for (const [host, lane] of this.#lanes) {
      for (let next = lane.next(nowMs); next !== undefined; next = lane.next(nowMs)) {
        this.#begin(host, lane, next)
      }
      if (lane.size === 0) this.#lanes.delete(host)
      else dueMs = Math.min(dueMs, lane.dueAtMs())
    }
    // What is due and not begun waits for a place, and whoever lands pumps.
    if (dueMs === Number.POSITIVE_INFINITY || dueMs <= nowMs) return
    this.#disarm = this.#parts.clock.arm(dueMs - nowMs, () => this.#pump())
  }

  #begin(host: string, lane: Lane, entry: Entry): void {
    const flight = this.#send(host, lane, entry)
      .catch((error: unknown) => {
        // Nothing that is sent from here on could be remembered: the daemon is about to stop.
        if (STORE_CODES.has(codeOf(error))) this.#isRunning = false
        this.#parts.log.error({ cause: causeOf(error) }, 'status not kept')
        entry.readyAtMs = this.#parts.clock.bootMs() + STATUS_RETRY.firstMs
      })
      .finally(() => {
        lane.landed(entry)
        this.#flights.delete(flight)
        this.#pump()
      })
    this.#flights.add(flight)
  }

  async #send(host: string, lane: Lane, entry: Entry): Promise<void> {
    const { sender, log } = this.#parts
    const { told } = entry.row
    if (this.#rows.isOvertaken(entry)) {
      await this.#settle(lane, entry, { settled: 'superseded' })
      return
    }
    try {
      await sender.send(told, this.#abort.signal)
    } catch (error) {
      await this.#failed(host, lane, entry, told, error)
      return
    }
    lane.succeeded()
    this.#rows.arrived(entry, told)
    const facts = { repository: told.repository, context: told.context, run: told.runId }
    log.debug({ ...facts, host, state: told.state }, 'status told')
    const sent = contentOf(told)
    entry.waitsSinceMs = contentOf(entry.row.told) === sent ? undefined : this.#parts.clock.bootMs()
    // It may say something else by now, and waits for its turn with that.
    if (contentOf(entry.row.told) !== sent) return await this.#change(entry, { sent })
    await this.#settle(lane, entry, { sent, settled: told.isFinal ? 'sent' : undefined })
  }

  async #failed(host: string, lane: Lane, entry: Entry, told: Told, error: unknown): Promise<void> {
    const { clock, random, log } = this.#parts
    if (this.#abort.signal.aborted) return
    const nowMs = clock.bootMs()
    const facts = { host, repository: told.repository, context: told.context, run: told.runId }
    const limitedMs = limitedMsOf(error)
    if (limitedMs !== undefined) {
      lane.pause(nowMs, limitedMs)
      log.warn({ ...facts, waitMs: limitedMs }, 'forge asks for patience')
      return
    }
    const code = codeOf(error)
    if (PASSING.has(code)) {
      const waitMs = lane.failed(nowMs, random.next())
      log.warn({ ...facts, code, cause: causeOf(error), waitMs }, 'status not sent')
      return
    }
    entry.refusals += 1
    entry.readyAtMs = nowMs + Math.ceil(backoffMs(entry.refusals, random.next(), STATUS_RETRY))
    const isOver = entry.refusals >= STATUS_REFUSALS_MAX
    log[isOver ? 'error' : 'warn']({ ...facts, code, cause: causeOf(error) }, 'status refused')
    // A later state of it is tried again.
    if (isOver && entry.row.told === told) {
      await this.#settle(lane, entry, { settled: 'given_up', reason: causeOf(error) })
    }
  }

  async #settle(
    lane: Lane,
    entry: Entry,
    change: Pick<OutboxRow, 'sent' | 'settled' | 'reason'>
  ): Promise<void> {
    lane.remove(entry)
    await this.#change(entry, change)
  }

  async #change(entry: Entry, change: Partial<OutboxRow>): Promise<void> {
    this.#rows.change(entry, change)
    await this.#rows.save([entry], [])
  }
}
