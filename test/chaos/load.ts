import { SeededRandom } from '../support/seeded-random.ts'
import type { History } from './history.ts'
import { drawJobs, type PlannedJob, pipelineOf, withCancels } from './jobs.ts'
import type { Ledger } from './ledger.ts'
import type { Orders } from './orders.ts'
import type { PushedRepository } from './repositories.ts'

/** Between two pushes to one repository. */
const PUSH_EVERY_MS = 6_000
/** With more open jobs than that, pushes wait: a backlog tests queues, not losses. */
const OPEN_MAX = 12
const POLL_MS = 200
/** Apart from the seeds of all that was drawn before there were cancels. */
const CANCEL_STREAM = 0x5eed_0001

export interface LoadParts {
  readonly ledger: Ledger
  readonly history: History
  readonly orders: Pick<Orders, 'plan'>
}

export interface LoadCounts {
  pushes: number
  accepted: number
  notTaken: number
}

/** Pushes small pipelines to each repository at a steady rate until it is stopped. */
export class Load {
  readonly counts: LoadCounts = { pushes: 0, accepted: 0, notTaken: 0 }
  readonly #parts: LoadParts
  readonly #seed: number
  #stopped = false
  #running: Promise<unknown> = Promise.resolve()

  constructor(parts: LoadParts, seed: number) {
    this.#parts = parts
    this.#seed = seed
  }

  start(repositories: readonly PushedRepository[]): void {
    // Each with numbers of its own: which of them is pushed to first is not for the seed to say.
    const pushing = repositories.map((one, index) => this.#push(one, this.#seed + index))
    this.#running = Promise.all(pushing)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  async #push(repository: PushedRepository, seed: number): Promise<void> {
    const random = new SeededRandom(seed)
    const cancels = new SeededRandom(seed + CANCEL_STREAM)
    for (let number = 1; !this.#stopped; number += 1) {
      const startedMs = performance.now()
      const jobs = withCancels(drawJobs(random), cancels)
      await this.once(repository, `change ${number}`, jobs).catch((error: unknown) => {
        // A push that did not come about asks for nothing.
        this.#parts.history.note('push failed', { cause: String(error) })
      })
      const isOver = (): boolean =>
        this.#stopped ||
        (performance.now() - startedMs >= PUSH_EVERY_MS &&
          this.#parts.ledger.open.length < OPEN_MAX)
      while (!isOver()) await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  /** One push; true where a gateway answered 202 for it. */
  async once(
    repository: PushedRepository,
    message: string,
    jobs: readonly PlannedJob[]
  ): Promise<boolean> {
    const { ledger, history, orders } = this.#parts
    const { commit, run } = await repository.push(pipelineOf(jobs), message)
    this.counts.pushes += 1
    history.note('push', { repository: repository.name, commit, run, jobs })
    if (run === undefined) {
      this.counts.notTaken += 1
      return false
    }
    this.counts.accepted += 1
    for (const job of ledger.accept(run, jobs)) orders.plan(job)
    return true
  }
}
