import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { causeOf } from '../core/errors.ts'
import type { Clock } from '../core/ports.ts'
import type { Log } from '../host/log.ts'
import type { LogStore } from './log-store.ts'

/** The logs of one run, as they lie on the disk. */
export interface RunLogs {
  readonly runId: string
  readonly bytes: number
  /** Wall clock of the last write. */
  readonly writtenAtMs: number
  /** True where one of its logs is not marked as delivered. */
  readonly undelivered: boolean
}

/**
 * `open` logs are never removed, `wanted` ones only where all logs are over the hard limit, `free`
 * ones by age and by what all logs take.
 */
export type Standing = 'open' | 'wanted' | 'free'

export interface LogSweeperParts {
  readonly store: Pick<LogStore, 'remove'>
  readonly standing: (run: RunLogs) => Standing
  readonly clock: Clock
  readonly log: Log
}

export interface LogSweeperOptions {
  /** The log store's folder. */
  readonly dir: string
  readonly everyMs: number
  readonly keptMs: number
  /** Above this the oldest free logs go. */
  readonly bytesMax: number
  /** Above this the oldest wanted ones go, too. */
  readonly bytesHardMax: number
}

/** Lets old logs go, the oldest first, so that they never fill the disk. */
export class LogSweeper {
  readonly #parts: LogSweeperParts
  readonly #options: LogSweeperOptions
  #sweeping: Promise<void> = Promise.resolve()
  #disarm: () => void = () => undefined
  #stopped = false

  constructor(parts: LogSweeperParts, options: LogSweeperOptions) {
    this.#parts = parts
    this.#options = options
  }

  start(): void {
    this.#disarm = this.#parts.clock.arm(this.#options.everyMs, () => {
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
    const { keptMs, bytesMax, bytesHardMax } = this.#options
    const runs = (await this.#runs()).sort((a, b) => a.writtenAtMs - b.writtenAtMs)
    const bytes = runs.reduce((sum, run) => sum + run.bytes, 0)
    const left = await this.#removeOldest(runs, bytes, 'free', bytesMax, keptMs)
    await this.#removeOldest(runs, left, 'wanted', bytesHardMax, Number.POSITIVE_INFINITY)
  }

  /** Of this standing: those over `keptMs`, then as many as it takes to fit; gives what is left. */
  async #removeOldest(
    oldestFirst: readonly RunLogs[],
    bytesBefore: number,
    standing: Standing,
    bytesMax: number,
    keptMs: number
  ): Promise<number> {
    const { store, clock, log } = this.#parts
    let bytes = bytesBefore
    for (const run of oldestFirst) {
      if (this.#stopped) break
      const isOld = clock.wallMs() - run.writtenAtMs > keptMs
      if (!isOld && bytes <= bytesMax) break
      // Asked now, not when it was measured: a job of that run may have been claimed meanwhile.
      if (this.#parts.standing(run) !== standing) continue
      await store.remove(run.runId)
      bytes -= run.bytes
      log.info({ run: run.runId, bytes: run.bytes, standing }, 'logs removed')
    }
    return bytes
  }

  async #runs(): Promise<RunLogs[]> {
    const { dir } = this.#options
    const names = await readdir(dir).catch(() => [])
    const runs: RunLogs[] = []
    for (const runId of names) runs.push(await measure(join(dir, runId), runId))
    return runs
  }
}

const LOG = /\.ndjson$/
const MARK = '.delivered'

async function measure(dir: string, runId: string): Promise<RunLogs> {
  let bytes = 0
  let writtenAtMs = 0
  const names = await readdir(dir).catch(() => [])
  for (const name of names) {
    // A file that goes while it is looked at weighs nothing.
    const found = await stat(join(dir, name)).catch(() => undefined)
    bytes += found?.size ?? 0
    writtenAtMs = Math.max(writtenAtMs, found?.mtimeMs ?? 0)
  }
  const marks = new Set(names.filter((name) => name.endsWith(MARK)))
  const undelivered = names.some((name) => LOG.test(name) && !marks.has(name.replace(LOG, MARK)))
  return { runId, bytes, writtenAtMs, undelivered }
}
