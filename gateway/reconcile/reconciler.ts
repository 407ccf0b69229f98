import { backoffMs } from '../../protocol/core/backoff.ts'
import { causeOf, codeOf } from '../../protocol/core/errors.ts'
import {
  RECONCILE_EVERY_MS,
  RECONCILE_JITTER,
  RECONCILE_LOOK_MS_MAX,
  RECONCILE_PARALLEL_MAX,
  RECONCILE_PATIENCE_MS,
  RECONCILE_RETRY_MS_MAX,
  RECONCILE_RETRY_MS_MIN,
  RECONCILE_SPREAD_MS
} from '../../protocol/core/forge-limits.ts'
import type { Clock, Random } from '../../protocol/core/ports.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { RowTable } from '../../protocol/store/row-table.ts'
import { limitedMsOf } from '../forge/forge-refusal.ts'
import type { Repositories, Repository } from '../repositories.ts'
import type { HeadsRow } from './heads-row.ts'
import type { RepositoryLook } from './repository-look.ts'

const RETRY = { firstMs: RECONCILE_RETRY_MS_MIN, maxMs: RECONCILE_RETRY_MS_MAX }

export interface ReconcilerParts {
  readonly repositories: Pick<Repositories, 'all' | 'find'>
  readonly look: Pick<RepositoryLook, 'look' | 'forgive'>
  readonly table: RowTable
  /** Told of each look that came to its end. */
  readonly onLooked?: ((row: HeadsRow) => void) | undefined
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

interface Item {
  /** Boot clock. */
  dueAtMs: number
  /** Looks in a row that failed. */
  failures: number
}

/**
 * Looks at each declared repository now and then, soon after the start for the time that this
 * gateway was away: no forge sends again by itself what nobody took.
 */
export class Reconciler {
  readonly #parts: ReconcilerParts
  readonly #items = new Map<string, Item>()
  /** Row numbers by repository. */
  readonly #numbers = new Map<string, number>()
  readonly #active = new Map<string, Promise<void>>()
  readonly #abort = new AbortController()
  #number = 0
  #disarm: () => void = () => undefined

  constructor(parts: ReconcilerParts) {
    this.#parts = parts
  }

  /** Throws STORE_SUSPECT, STORE_FAILED. */
  async start(): Promise<void> {
    const { table, repositories } = this.#parts
    const gone: number[] = []
    for await (const { number, row } of table.load<HeadsRow>()) {
      this.#number = Math.max(this.#number, number)
      if (repositories.find(row.repository) === undefined) gone.push(number)
      else this.#numbers.set(row.repository, number)
    }
    if (gone.length > 0) await table.write([], gone)
    this.reload()
  }

  /** Milliseconds since the look that is due the longest, and how many failed when last tried. */
  get lag(): { readonly overdueMs: number; readonly failing: number } {
    const nowMs = this.#parts.clock.bootMs()
    const items = [...this.#items.values()]
    const overdueMs = items.reduce((most, { dueAtMs }) => Math.max(most, nowMs - dueAtMs), 0)
    return { overdueMs, failing: items.filter(({ failures }) => failures > 0).length }
  }

  /** Takes the repositories as they are declared now. */
  reload(): void {
    const { repositories, clock, random, look } = this.#parts
    look.forgive()
    const all = repositories.all()
    const declared = new Set(all.map(({ name }) => name))
    for (const name of this.#items.keys()) if (!declared.has(name)) this.#items.delete(name)
    const spreadMs = Math.min(RECONCILE_EVERY_MS, all.length * RECONCILE_SPREAD_MS)
    for (const name of declared) {
      const dueAtMs = clock.bootMs() + Math.ceil(random.next() * spreadMs)
      if (!this.#items.has(name)) this.#items.set(name, { dueAtMs, failures: 0 })
    }
    this.#pump()
  }

  /** Ends what is under way: the next start looks again. */
  async stop(): Promise<void> {
    this.#disarm()
    this.#abort.abort(new Error('the gateway stops'))
    await Promise.all(this.#active.values())
  }

  #pump(): void {
    if (this.#abort.signal.aborted) return
    this.#disarm()
    const nowMs = this.#parts.clock.bootMs()
    const idle = [...this.#items].filter(([name]) => !this.#active.has(name))
    idle.sort(([, a], [, b]) => a.dueAtMs - b.dueAtMs)
    for (const [name, item] of idle) {
      if (this.#active.size >= RECONCILE_PARALLEL_MAX) return
      if (item.dueAtMs > nowMs) {
        this.#disarm = this.#parts.clock.arm(item.dueAtMs - nowMs, () => this.#pump())
        return
      }
      this.#begin(name, item)
    }
  }

  #begin(name: string, item: Item): void {
    const { clock, repositories } = this.#parts
    const repository = repositories.find(name)
    if (repository === undefined) return
    const work = this.#lookAt(repository)
      .then((waitMs) => {
        item.failures = 0
        item.dueAtMs = clock.bootMs() + waitMs
      })
      .catch((error: unknown) => this.#failed(name, item, error))
      .finally(() => {
        this.#active.delete(name)
        this.#pump()
      })
    this.#active.set(name, work)
  }

  /** Resolves with the milliseconds until the next look. */
  async #lookAt(repository: Repository): Promise<number> {
    const { look, table, clock, random } = this.#parts
    const number = this.#numbers.get(repository.name)
    const known = number === undefined ? undefined : await table.read<HeadsRow>(number)
    const limit = new AbortController()
    const disarm = clock.arm(RECONCILE_LOOK_MS_MAX, () =>
      limit.abort(new Error('it took too long'))
    )
    try {
      const signal = AbortSignal.any([limit.signal, this.#abort.signal])
      const { row, isUnsettled } = await look.look(repository, known, signal)
      await this.#keep(known, row)
      this.#parts.onLooked?.(row)
      if (isUnsettled) return RECONCILE_PATIENCE_MS
    } finally {
      disarm()
    }
    const everyMs = Math.max(RECONCILE_EVERY_MS, this.#items.size * RECONCILE_SPREAD_MS)
    return Math.ceil(everyMs * (1 + RECONCILE_JITTER * (2 * random.next() - 1)))
  }

  async #keep(known: HeadsRow | undefined, row: HeadsRow): Promise<void> {
    if (JSON.stringify(known) === JSON.stringify(row)) return
    let number = this.#numbers.get(row.repository)
    if (number === undefined) {
      this.#number += 1
      number = this.#number
      this.#numbers.set(row.repository, number)
    }
    await this.#parts.table.write([{ number, row }])
  }

  #failed(name: string, item: Item, error: unknown): void {
    const { clock, random, log } = this.#parts
    if (this.#abort.signal.aborted) return
    const backMs = Math.ceil(backoffMs(item.failures, random.next(), RETRY))
    // At least the first wait: a forge that refuses at once must not be asked without end.
    const waitMs = Math.max(RECONCILE_RETRY_MS_MIN, backMs, limitedMsOf(error) ?? 0)
    item.failures += 1
    item.dueAtMs = clock.bootMs() + waitMs
    const facts = { repository: name, code: codeOf(error), cause: causeOf(error), waitMs }
    log.warn(facts, 'repository not looked at')
  }
}
