import { causeOf } from '../../protocol/core/errors.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { LogStore } from '../../protocol/store/log-store.ts'
import { AttemptLog, type ResumedLog } from './attempt-log.ts'
import type { Feeds } from './feeds.ts'

export interface AttemptLogsParts {
  readonly spool: LogStore
  readonly feeds: Feeds
  readonly clock: Clock
  readonly log: Log
}

/** The logs of this agent's attempts, each with the feed that brings it to its gateway. */
export class AttemptLogs {
  readonly #parts: AttemptLogsParts

  constructor(parts: AttemptLogsParts) {
    this.#parts = parts
  }

  open(job: string, epoch: number, gateway: string): AttemptLog {
    const { spool, log } = this.#parts
    // Not waited for: the calls of one job come one after the other.
    spool.restart(job, epoch).catch((error: unknown) => {
      log.warn({ job, epoch, cause: causeOf(error) }, 'log not begun anew')
    })
    return new AttemptLog(this.#parts, this.#options(job, epoch, gateway))
  }

  /** Of an attempt that a process before this one began. */
  async resume(job: string, epoch: number, gateway: string): Promise<ResumedLog> {
    return await AttemptLog.resume(this.#parts, this.#options(job, epoch, gateway))
  }

  #options(job: string, epoch: number, gateway: string) {
    const feed = this.#parts.feeds.open({ job, epoch, gateway })
    return { job, epoch, onSpooled: () => feed.notify() }
  }
}
