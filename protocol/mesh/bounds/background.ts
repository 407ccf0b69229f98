import type { Log } from '../../host/log.ts'

/** Small tasks that nobody waits for, until the stop does; what they throw is logged. */
export class Background {
  readonly #log: Log
  readonly #max: number
  readonly #running = new Set<Promise<void>>()
  #isStopped = false

  constructor(log: Log, max: number) {
    this.#log = log
    this.#max = max
  }

  /** Left out, and false, when too many run already or after the stop. */
  run(what: string, task: () => Promise<unknown>): boolean {
    if (this.#isStopped || this.#running.size >= this.#max) return false
    const running = task()
      .then(
        () => undefined,
        (error: unknown) => {
          if (!this.#isStopped) this.#log.debug({ err: error, what }, 'background task failed')
        }
      )
      .finally(() => this.#running.delete(running))
    this.#running.add(running)
    return true
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#running)
  }
}
