import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { causeOf } from '../../protocol/core/errors.ts'
import { LOGS_BYTES_MAX, LOGS_KEPT_MS, LOGS_SWEEP_EVERY_MS } from '../../protocol/core/limits.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { LogStore } from '../../protocol/store/log-store.ts'

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

interface RunLogs {
  readonly runId: string
  readonly bytes: number
  /** Wall clock of the last write. */
  readonly writtenAtMs: number
}

/** Lets old logs go: by age, then by what all of them take. Logs of open runs stay. */
export class LogSweep {
  readonly #parts: LogSweepParts
  readonly #dir: string
  readonly #keptMs: number
  readonly #bytesMax: number
  #sweeping: Promise<void> = Promise.resolve()
  #disarm: () => void = () => undefined
  #stopped = false

  constructor(parts: LogSweepParts, options: LogSweepOptions) {
    this.#parts = parts
    this.#dir = options.dir
    this.#keptMs = options.keptMs ?? LOGS_KEPT_MS
    this.#bytesMax = options.bytesMax ?? LOGS_BYTES_MAX
  }

  start(): void {
    this.#disarm = this.#parts.clock.arm(LOGS_SWEEP_EVERY_MS, () => {
      this.#sweeping = this.sweep()
        .catch((error: unknown) => {
          this.#parts.log.warn({ cause: causeOf(error) }, 'logs not swept')
        })
        .then(() => {
          if (!this.#stopped) this.start()
        })
    })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#disarm()
    await this.#sweeping
  }

  /** One look. */
  async sweep(): Promise<void> {
    const { store, isOpen, clock, log } = this.#parts
    const runs = (await this.#runs()).sort((a, b) => a.writtenAtMs - b.writtenAtMs)
    let bytes = runs.reduce((sum, run) => sum + run.bytes, 0)
    for (const run of runs) {
      if (this.#stopped) return
      const isOld = clock.wallMs() - run.writtenAtMs > this.#keptMs
      if (!isOld && bytes <= this.#bytesMax) return
      if (isOpen(run.runId)) continue
      await store.remove(run.runId)
      bytes -= run.bytes
      log.info({ run: run.runId, bytes: run.bytes }, 'logs removed')
    }
  }

  async #runs(): Promise<RunLogs[]> {
    const names = await readdir(this.#dir).catch(() => [])
    const runs: RunLogs[] = []
    for (const runId of names) runs.push(await measure(join(this.#dir, runId), runId))
    return runs
  }
}

async function measure(dir: string, runId: string): Promise<RunLogs> {
  let bytes = 0
  let writtenAtMs = 0
  for (const name of await readdir(dir).catch(() => [])) {
    // A file that goes while it is looked at weighs nothing.
    const found = await stat(join(dir, name)).catch(() => undefined)
    bytes += found?.size ?? 0
    writtenAtMs = Math.max(writtenAtMs, found?.mtimeMs ?? 0)
  }
  return { runId, bytes, writtenAtMs }
}
