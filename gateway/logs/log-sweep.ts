import { LOGS_BYTES_MAX, LOGS_KEPT_MS, LOGS_SWEEP_EVERY_MS } from '../../protocol/core/limits.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { LogStore } from '../../protocol/store/log-store.ts'
import { LogSweeper } from '../../protocol/store/log-sweeper.ts'

export interface LogSweepParts {
  readonly store: Pick<LogStore, 'remove'>
  /** True for a run whose jobs may still write. */
  readonly isOpen: (runId: string) => boolean
  readonly clock: Clock
  readonly log: Log
}

export interface LogSweepOptions {
  /** The log store's folder. */
  readonly dir: string
  readonly keptMs?: number | undefined
  readonly bytesMax?: number | undefined
}

/** Lets old logs go: by age, then by what all of them take. Logs of open runs stay. */
export class LogSweep extends LogSweeper {
  constructor({ store, isOpen, clock, log }: LogSweepParts, options: LogSweepOptions) {
    super(
      { store, standing: ({ runId }) => (isOpen(runId) ? 'open' : 'free'), clock, log },
      {
        dir: options.dir,
        everyMs: LOGS_SWEEP_EVERY_MS,
        keptMs: options.keptMs ?? LOGS_KEPT_MS,
        bytesMax: options.bytesMax ?? LOGS_BYTES_MAX,
        bytesHardMax: Number.POSITIVE_INFINITY
      }
    )
  }
}
