import { backoffMs } from '../../protocol/core/backoff.ts'
import { RECONCILE_SPREAD_MS } from '../../protocol/core/forge-limits.ts'
import type { Clock, Random } from '../../protocol/core/ports.ts'
import {
  PROVISION_ASKED_MAX,
  PROVISION_LOOK_MS,
  PROVISION_LOOK_MS_MAX,
  PROVISION_LOOK_UNTOLD_MS,
  PROVISION_PARALLEL_MAX,
  PROVISION_RETRY_MS_MAX,
  PROVISION_RETRY_MS_MIN
} from '../../protocol/core/provision-limits.ts'
import type { Log } from '../../protocol/host/log.ts'
import { limitedMsOf } from '../forge/forge-refusal.ts'
import type { Repositories, Repository } from '../repositories.ts'
import type { ProvisionBook } from './provision-book.ts'
import type { Provisioned, RepositoryTurn } from './repository-turn.ts'
import { failureFacts } from './runner-release.ts'

const RETRY = { firstMs: PROVISION_RETRY_MS_MIN, maxMs: PROVISION_RETRY_MS_MAX }

export interface ProvisionerParts {
  readonly repositories: Pick<Repositories, 'all' | 'find'>
  readonly turn: Pick<
    RepositoryTurn,
    'provisioned' | 'slots' | 'look' | 'lookAt' | 'plan' | 'forget'
  >
  readonly book: ProvisionBook
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

interface Item {
  /** Boot clock at which all is asked for again. */
  lookAtMs: number
  /** Boot clock at which it is planned by what is known. */
  planAtMs: number
  /** Jobs that hooks have named since the last turn. */
  readonly named: Set<string>
  failures: number
}

/** Why such a hook comes to nothing. */
export const NO_PROVISION = 'event workflow_job starts no run: the repository has no `provision`'

/** What the sender of a hook is told. */
export interface Noted {
  readonly verdict: 'accepted' | 'ignored'
  readonly reason: string
}

/**
 * Takes turns at the repositories whose forge has its runners run by the mesh: when a hook names a
 * job, when a slot changes, and every now and then for all that nobody has told of.
 */
export class Provisioner {
  readonly #parts: ProvisionerParts
  readonly #items = new Map<string, Item>()
  readonly #active = new Map<string, Promise<void>>()
  readonly #abort = new AbortController()
  #isStarted = false
  #disarm: () => void = () => undefined

  constructor(parts: ProvisionerParts) {
    this.#parts = parts
  }

  /** Goes on where the process before has ended, once its book is loaded. Throws STORE_FAILED. */
  async start(): Promise<void> {
    const { book, repositories } = this.#parts
    await book.prune(repositories.all())
    this.#isStarted = true
    this.reload()
  }

  /** Takes the repositories as they are declared now. */
  reload(): void {
    const { repositories, clock, random } = this.#parts
    if (!this.#isStarted) return
    const declared = repositories.all().filter(({ provision }) => provision !== undefined)
    const names = new Set(declared.map(({ name }) => name))
    for (const name of this.#items.keys()) if (!names.has(name)) this.#items.delete(name)
    const spreadMs = (declared.length - 1) * RECONCILE_SPREAD_MS
    for (const name of names) {
      const dueMs = clock.bootMs() + Math.ceil(random.next() * spreadMs)
      const item = this.#items.get(name)
      // Its label sets may be others.
      if (item !== undefined) item.lookAtMs = dueMs
      else this.#items.set(name, itemOf(dueMs))
    }
    this.#pump()
  }

  /**
   * Resolves once it is synced that the job is to be looked at; the forge is asked afterwards.
   * Rejects with STORE_FAILED.
   */
  async note(repository: Repository, job: string): Promise<Noted> {
    const { book, clock } = this.#parts
    const { name, url } = repository
    const item = this.#items.get(name)
    if (repository.provision === undefined || item === undefined) {
      return { verdict: 'ignored', reason: NO_PROVISION }
    }
    if (!book.jobsOf(repository).some((row) => row.job === job)) {
      const sinceMs = clock.wallMs()
      const about = { kind: 'job', repository: name, url, job, name: '', labels: [] } as const
      await book.keep({ ...about, state: 'named', sinceMs, generation: -1 })
    }
    item.named.add(job)
    item.planAtMs = 0
    if (item.named.size > PROVISION_ASKED_MAX) {
      // Each would be a question of its own; all that waits is one, these among them.
      item.named.clear()
      item.lookAtMs = 0
    }
    this.#pump()
    return { verdict: 'accepted', reason: `the forge is asked about job ${job}` }
  }

  /** Something of a slot of this repository is new on the board. */
  noteSlot(repository: string): void {
    const item = this.#items.get(repository)
    if (item === undefined) return
    item.planAtMs = 0
    this.#pump()
  }

  /** Ends what is under way: the next start goes on. */
  async stop(): Promise<void> {
    this.#disarm()
    this.#abort.abort(new Error('the gateway stops'))
    await Promise.all(this.#active.values())
  }

  #pump(): void {
    if (this.#abort.signal.aborted) return
    this.#disarm()
    const { clock, repositories } = this.#parts
    const nowMs = clock.bootMs()
    const idle = [...this.#items]
      .filter(([name]) => !this.#active.has(name))
      .map(([name, item]) => ({ name, item, dueMs: Math.min(item.lookAtMs, item.planAtMs) }))
      .sort((a, b) => a.dueMs - b.dueMs)
    for (const { name, item, dueMs } of idle) {
      if (this.#active.size >= PROVISION_PARALLEL_MAX) return
      if (dueMs > nowMs) {
        this.#disarm = clock.arm(dueMs - nowMs, () => this.#pump())
        return
      }
      const repository = repositories.find(name)
      if (repository !== undefined) this.#begin(repository, item)
    }
  }

  #begin(repository: Repository, item: Item): void {
    const { name } = repository
    const work = this.#take(repository, item)
      .catch((error: unknown) => this.#failed(name, item, error))
      .finally(() => {
        this.#active.delete(name)
        this.#pump()
      })
    this.#active.set(name, work)
  }

  async #take(repository: Repository, item: Item): Promise<void> {
    const { turn, book, clock } = this.#parts
    const of = turn.provisioned(repository)
    const isLook = item.lookAtMs <= clock.bootMs()
    const named = [...item.named]
    item.named.clear()
    item.planAtMs = Number.POSITIVE_INFINITY
    if (of === undefined) {
      item.lookAtMs = Number.POSITIVE_INFINITY
      return
    }
    // Asks no forge: what slots were given goes with them, also where their forge is away.
    await turn.forget(of)
    const seen = turn.slots(of)
    const before = book.changes
    const limit = new AbortController()
    const late = new Error('it took too long')
    const disarm = clock.arm(PROVISION_LOOK_MS_MAX, () => limit.abort(late))
    try {
      const signal = AbortSignal.any([limit.signal, this.#abort.signal])
      // Who lists all that waits need not ask for one; a forge that shows no single one must.
      const isFresh = isLook || (named.length > 0 && of.api.job === undefined)
      if (isFresh) {
        await turn.look(of, signal)
        item.lookAtMs = clock.bootMs() + this.#everyMs(of)
      } else {
        await turn.lookAt(of, named, signal)
      }
      const { laterMs, wantsLook } = await turn.plan(of, seen, isFresh ? 'all' : named, signal)
      const waitMs = Math.max(1, laterMs - clock.wallMs())
      item.planAtMs = Math.min(item.planAtMs, clock.bootMs() + waitMs)
      if (wantsLook) item.lookAtMs = 0
      // The slots are from before what this turn has learned of them.
      if (book.changes !== before) item.planAtMs = 0
      item.failures = 0
    } finally {
      disarm()
    }
  }

  #everyMs({ api }: Provisioned): number {
    const { random } = this.#parts
    const leastMs = api.takes === 'own' ? PROVISION_LOOK_UNTOLD_MS : PROVISION_LOOK_MS
    const everyMs = Math.max(leastMs, this.#items.size * RECONCILE_SPREAD_MS)
    // Two gateways that start together part.
    return Math.ceil(everyMs * (0.9 + 0.2 * random.next()))
  }

  #failed(name: string, item: Item, error: unknown): void {
    const { clock, random, log } = this.#parts
    if (this.#abort.signal.aborted) return
    const backMs = Math.ceil(backoffMs(item.failures, random.next(), RETRY))
    // At least a second: a forge that refuses at once must not be asked without end.
    const waitMs = Math.max(1_000, backMs, limitedMsOf(error) ?? 0)
    item.failures += 1
    // All of it: what was named is among what waits, or waits no more.
    item.lookAtMs = clock.bootMs() + waitMs
    item.planAtMs = item.lookAtMs
    log.warn({ repository: name, ...failureFacts(error), waitMs }, 'no runners planned')
  }
}

function itemOf(lookAtMs: number): Item {
  return { lookAtMs, planAtMs: Number.POSITIVE_INFINITY, named: new Set(), failures: 0 }
}
