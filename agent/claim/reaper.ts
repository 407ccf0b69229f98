import { causeOf } from '../../protocol/core/errors.ts'
import { REAP_EVERY_MS } from '../../protocol/core/limits.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { AttemptStore } from '../../protocol/store/attempt-store.ts'
import { pause } from './ending.ts'
import type { AttemptRunner } from './holder-parts.ts'

export interface ReaperParts {
  readonly executor: Pick<AttemptRunner, 'reap' | 'reapTrials'>
  readonly attempts: Pick<AttemptStore, 'all'>
  /** While a trial is under way its containers are somebody's. */
  readonly isTrying: () => boolean
  readonly clock: Clock
  readonly log: Log
}

/**
 * Removes now and then what no recorded attempt owns: an attempt's record goes only with the end of
 * its lease, so what is left without one is left for good (lease-protocol 4.7).
 */
export class Reaper {
  readonly #parts: ReaperParts
  readonly #stop = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor(parts: ReaperParts) {
    this.#parts = parts
  }

  start(): void {
    this.#running = this.#run()
  }

  /** Resolves once no removal is under way. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    for (;;) {
      await pause(this.#parts.clock, REAP_EVERY_MS, signal)
      if (signal.aborted) return
      await this.#reap()
    }
  }

  async #reap(): Promise<void> {
    const { executor, attempts, isTrying } = this.#parts
    const owned = async (): Promise<ReadonlySet<string>> =>
      new Set((await attempts.all()).map(({ claimId }) => claimId))
    if (!isTrying()) await this.#tell(() => executor.reapTrials())
    await this.#tell(() => executor.reap(owned))
  }

  async #tell(removal: () => Promise<readonly string[]>): Promise<void> {
    const { log } = this.#parts
    try {
      const removed = await removal()
      if (removed.length > 0) log.warn({ removed }, 'leftovers removed')
    } catch (error) {
      // An engine that is away, say: it is asked again next time.
      log.warn({ cause: causeOf(error) }, 'leftovers not removed')
    }
  }
}
