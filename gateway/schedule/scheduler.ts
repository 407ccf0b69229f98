import { causeOf, codeOf } from '../../protocol/core/errors.ts'
import type { Clock, Random } from '../../protocol/core/ports.ts'
import {
  SCHEDULE_PARALLEL_MAX,
  SCHEDULE_READ_EVERY_MS,
  SCHEDULE_RETRY_MS,
  SCHEDULE_SPREAD_MS,
  SCHEDULE_TICK_MS_MAX
} from '../../protocol/core/schedule-limits.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { RowTable } from '../../protocol/store/row-table.ts'
import type { HeadsRow } from '../reconcile/heads-row.ts'
import type { Repositories, Repository } from '../repositories.ts'
import { firstPlannedMs, plannedBy, type ScheduleEntry } from './planned.ts'
import type { RepositorySchedule } from './repository-schedule.ts'
import type { ScheduleRow } from './schedule-row.ts'

export interface SchedulerParts {
  readonly repositories: Pick<Repositories, 'all' | 'find'>
  readonly schedule: Pick<RepositorySchedule, 'read' | 'run'>
  readonly table: RowTable
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

interface Item {
  row: ScheduleRow | undefined
  /** Boot clock of the next look at its file. */
  readAtMs: number
  /** Boot clock before which a run that could not be started is not tried again. */
  runFromMs: number
  /** Wall clock of the next planned minute. */
  plannedMs: number
}

/**
 * Starts the runs that pipeline files plan. How far each schedule has come is in the store, so that
 * a gateway that was away runs what it has just missed, once.
 */
export class Scheduler {
  readonly #parts: SchedulerParts
  readonly #items = new Map<string, Item>()
  /** Row numbers by repository. */
  readonly #numbers = new Map<string, number>()
  readonly #active = new Map<string, Promise<void>>()
  readonly #abort = new AbortController()
  #number = 0
  /** When it was last looked at, to see that it has been set back. */
  #wallMs = 0
  #disarm: () => void = () => undefined

  constructor(parts: SchedulerParts) {
    this.#parts = parts
  }

  /** Throws STORE_SUSPECT, STORE_FAILED. */
  async start(): Promise<void> {
    const { table, repositories } = this.#parts
    const gone: number[] = []
    for await (const { number, row } of table.load<ScheduleRow>()) {
      this.#number = Math.max(this.#number, number)
      if (repositories.find(row.repository)?.url !== row.url) gone.push(number)
      else {
        this.#numbers.set(row.repository, number)
        this.#items.set(row.repository, this.#itemOf(row))
      }
    }
    if (gone.length > 0) await table.write([], gone)
    this.reload()
  }

  /** Takes the repositories as they are declared now. */
  reload(): void {
    const { repositories } = this.#parts
    const declared = new Map(repositories.all().map((each) => [each.name, each]))
    for (const name of this.#items.keys()) if (!declared.has(name)) this.#items.delete(name)
    for (const [name, { url }] of declared) {
      const item = this.#items.get(name)
      if (item === undefined || (item.row !== undefined && item.row.url !== url)) {
        this.#items.set(name, this.#itemOf(undefined))
      }
    }
    this.#pump()
  }

  /** A look has seen where the branches are: a file that may have changed is read again. */
  noteHeads({ repository, refs }: Pick<HeadsRow, 'repository' | 'refs'>): void {
    const item = this.#items.get(repository)
    const row = item?.row
    const seen = row === undefined ? undefined : refs?.[`refs/heads/${row.branch}`]
    if (item === undefined || seen === undefined || seen === row?.commit) return
    item.readAtMs = this.#parts.clock.bootMs()
    this.#pump()
  }

  /** Ends what is under way: the next start goes on. */
  async stop(): Promise<void> {
    this.#disarm()
    this.#abort.abort(new Error('the gateway stops'))
    await Promise.all(this.#active.values())
  }

  #itemOf(row: ScheduleRow | undefined): Item {
    const { repositories, clock, random } = this.#parts
    const spreadMs = repositories.all().length * SCHEDULE_SPREAD_MS
    const readAtMs = clock.bootMs() + Math.ceil(random.next() * spreadMs)
    return { row, readAtMs, runFromMs: 0, plannedMs: this.#plannedMs(row) }
  }

  #pump(): void {
    if (this.#abort.signal.aborted) return
    this.#disarm()
    this.#noteWall()
    const due = [...this.#items]
      .filter(([name]) => !this.#active.has(name))
      .map(([name, item]) => ({ name, item, waitMs: this.#waitMs(item) }))
      .sort((a, b) => a.waitMs - b.waitMs)
    for (const { name, item, waitMs } of due) {
      if (this.#active.size >= SCHEDULE_PARALLEL_MAX) return
      if (waitMs > 0) {
        const tickMs = Math.min(waitMs, SCHEDULE_TICK_MS_MAX)
        this.#disarm = this.#parts.clock.arm(tickMs, () => this.#pump())
        return
      }
      this.#begin(name, item)
    }
  }

  #noteWall(): void {
    const wallMs = this.#parts.clock.wallMs()
    if (wallMs < this.#wallMs) {
      for (const item of this.#items.values()) item.plannedMs = this.#plannedMs(item.row)
    }
    this.#wallMs = wallMs
  }

  #plannedMs(row: ScheduleRow | undefined): number {
    return firstPlannedMs(row?.entries ?? [], this.#parts.clock.wallMs())
  }

  /** Runs first: a file can be read later. */
  #waitMs(item: Item): number {
    const { clock } = this.#parts
    const bootMs = clock.bootMs()
    const runInMs = Math.max(item.plannedMs - clock.wallMs(), item.runFromMs - bootMs)
    return Math.min(runInMs, Math.max(0, item.readAtMs - bootMs))
  }

  #begin(name: string, item: Item): void {
    const repository = this.#parts.repositories.find(name)
    if (repository === undefined) return
    const { bootMs, wallMs } = this.#now()
    const isRun = item.plannedMs <= wallMs && item.runFromMs <= bootMs
    const work = (isRun ? this.#run(repository, item) : this.#read(repository, item))
      .catch((error: unknown) => this.#failed(name, item, isRun, error))
      .finally(() => {
        this.#active.delete(name)
        this.#pump()
      })
    this.#active.set(name, work)
  }

  async #read(repository: Repository, item: Item): Promise<void> {
    const { schedule, clock, random } = this.#parts
    const nowMs = clock.wallMs()
    const row = await schedule.read(repository, item.row, nowMs, this.#abort.signal)
    await this.#keep(item, row)
    // Apart, so that a thousand files are not asked for at once.
    item.readAtMs = clock.bootMs() + Math.ceil(SCHEDULE_READ_EVERY_MS * (0.8 + 0.4 * random.next()))
  }

  /** Each entry is kept as done before the next one begins. */
  async #run(repository: Repository, item: Item): Promise<void> {
    for (const [index, entry] of (item.row?.entries ?? []).entries()) {
      const { wallMs: nowMs } = this.#now()
      const { runMs, missedMs } = plannedBy(entry, nowMs)
      if (missedMs !== undefined) this.#tellMissed(repository, entry, missedMs)
      if (runMs !== undefined) {
        await this.#parts.schedule.run(repository, entry, runMs, nowMs, this.#abort.signal)
      }
      if (runMs === undefined && missedMs === undefined) continue
      const { row } = item
      if (row === undefined) return
      const entries = row.entries.with(index, { ...entry, afterMs: runMs ?? nowMs })
      await this.#keep(item, { ...row, entries })
    }
  }

  #tellMissed({ name }: Repository, { cron, branch }: ScheduleEntry, missedMs: number): void {
    const facts = { repository: name, cron, branch, first: new Date(missedMs).toISOString() }
    this.#parts.log.warn(facts, 'scheduled runs left out: nobody was there for them')
  }

  async #keep(item: Item, row: ScheduleRow): Promise<void> {
    const isNew = JSON.stringify(item.row) !== JSON.stringify(row)
    item.row = row
    item.plannedMs = this.#plannedMs(row)
    if (!isNew) return
    let number = this.#numbers.get(row.repository)
    if (number === undefined) {
      this.#number += 1
      number = this.#number
      this.#numbers.set(row.repository, number)
    }
    await this.#parts.table.write([{ number, row }])
  }

  #failed(name: string, item: Item, isRun: boolean, error: unknown): void {
    if (this.#abort.signal.aborted) return
    const facts = { repository: name, code: codeOf(error), cause: causeOf(error) }
    const againMs = this.#parts.clock.bootMs() + SCHEDULE_RETRY_MS
    if (isRun) item.runFromMs = againMs
    else item.readAtMs = againMs
    const what = isRun ? 'scheduled run not started yet' : 'schedules not read'
    this.#parts.log.warn(facts, what)
  }

  #now(): { readonly bootMs: number; readonly wallMs: number } {
    const { clock } = this.#parts
    return { bootMs: clock.bootMs(), wallMs: clock.wallMs() }
  }
}
