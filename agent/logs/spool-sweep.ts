import {
  SPOOL_BYTES_HARD_MAX,
  SPOOL_BYTES_MAX,
  SPOOL_KEPT_MS,
  SPOOL_SWEEP_EVERY_MS
} from '../../protocol/core/limits.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import { runIdOf } from '../../protocol/core/run.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { LogStore } from '../../protocol/store/log-store.ts'
import { LogSweeper } from '../../protocol/store/log-sweeper.ts'

export interface SpoolSweepParts {
  readonly spool: Pick<LogStore, 'remove'>
  /** Ids of the jobs held now. */
  readonly held: () => readonly string[]
  readonly clock: Clock
  readonly log: Log
}

/**
 * Keeps the spool from filling the disk: what the gateway has goes by age and room, what it does
 * not have yet only above a hard limit, and what is being written never.
 */
export function spoolSweep(parts: SpoolSweepParts, options: { readonly dir: string }): LogSweeper {
  const { spool, held, clock, log } = parts
  return new LogSweeper(
    {
      store: spool,
      standing: ({ runId, undelivered }) => {
        if (held().some((job) => runIdOf(job) === runId)) return 'open'
        return undelivered ? 'wanted' : 'free'
      },
      clock,
      log
    },
    {
      dir: options.dir,
      everyMs: SPOOL_SWEEP_EVERY_MS,
      keptMs: SPOOL_KEPT_MS,
      bytesMax: SPOOL_BYTES_MAX,
      bytesHardMax: SPOOL_BYTES_HARD_MAX
    }
  )
}
