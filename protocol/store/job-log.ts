import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { LogLine } from '../core/log-line.ts'
import { syncFolder } from '../host/durable-file.ts'
import { LogFile, type LogPage } from './log-file.ts'

export type LogAppend =
  | { readonly kind: 'acked'; readonly nextLine: number }
  | {
      readonly kind: 'refused'
      readonly code: 'stale_epoch' | 'unknown_job' | 'gap' | 'not_allowed' | 'full'
      /** Number of the line that is wanted next; 0 where no line of this epoch is. */
      readonly nextLine: number
    }

export type LogRead =
  | ({ readonly kind: 'page'; readonly epoch: number } & LogPage)
  | { readonly kind: 'absent' }

/** An answer, and the sync that it must not leave before. */
export interface Logged {
  readonly answer: LogAppend
  readonly synced: Promise<void> | undefined
}

export interface JobLogName {
  /** Folder of all logs. */
  readonly dir: string
  readonly runId: string
  readonly index: string
}

/** The logs of one job, a file an attempt; the caller keeps calls one after the other. */
export class JobLog {
  readonly #name: JobLogName
  readonly #durable: boolean
  readonly #epochs: Set<number>
  #file: { readonly epoch: number; readonly log: LogFile } | undefined

  private constructor(name: JobLogName, durable: boolean, epochs: Set<number>) {
    this.#name = name
    this.#durable = durable
    this.#epochs = epochs
  }

  static async open(name: JobLogName, durable: boolean): Promise<JobLog> {
    const prefix = `${name.index}.`
    const epochs = new Set<number>()
    for (const file of await namesIn(join(name.dir, name.runId))) {
      const epoch = /^(\d+)\.ndjson$/.exec(file.slice(prefix.length))?.[1]
      if (file.startsWith(prefix) && epoch !== undefined) epochs.add(Number(epoch))
    }
    return new JobLog(name, durable, epochs)
  }

  async append(epoch: number, firstLine: number, lines: readonly LogLine[]): Promise<Logged> {
    if (epoch < this.#newest()) return refused('stale_epoch', 0)
    const nextLine = this.#epochs.has(epoch) ? (await this.#open(epoch)).nextLine : 1
    const inOrder = lines.every(({ number }, index) => number === firstLine + index)
    if (firstLine > nextLine || !inOrder) return refused('gap', nextLine)
    const file = await this.#open(epoch)
    const fresh = lines.slice(nextLine - firstLine)
    if (fresh.length > 0 && file.ended) return refused('not_allowed', nextLine)
    const whole = await file.append(fresh)
    return this.#answer(file, whole ? 'acked' : 'full')
  }

  async finish(epoch: number): Promise<Logged> {
    if (epoch < this.#newest()) return refused('stale_epoch', 0)
    const file = await this.#open(epoch)
    await file.finish()
    return this.#answer(file, 'acked')
  }

  async read(epoch: number | undefined, fromLine: number, limit: number): Promise<LogRead> {
    const wanted = epoch ?? this.#newest()
    if (!this.#epochs.has(wanted)) return { kind: 'absent' }
    if (wanted === this.#newest()) {
      const page = await (await this.#open(wanted)).read(fromLine, limit)
      return { kind: 'page', epoch: wanted, ...page }
    }
    const old = await LogFile.open(this.#path(wanted))
    try {
      return { kind: 'page', epoch: wanted, ...(await old.read(fromLine, limit)) }
    } finally {
      await old.close()
    }
  }

  /** Nobody wants the log of this epoch from us any more. */
  async delivered(epoch: number): Promise<void> {
    if (!this.#epochs.has(epoch)) return
    await writeFile(this.#path(epoch, 'delivered'), '', { mode: 0o600 })
  }

  async close(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.log.close()
  }

  /** Forgets this epoch and all later ones: what is there is of an earlier job of that name. */
  async restart(epoch: number): Promise<void> {
    await this.close()
    for (const known of [...this.#epochs]) {
      if (known < epoch) continue
      await rm(this.#path(known), { force: true })
      await rm(this.#path(known, 'delivered'), { force: true })
      this.#epochs.delete(known)
    }
  }

  /** Its files are about to be removed. */
  async forget(): Promise<void> {
    this.#epochs.clear()
    await this.close()
  }

  #newest(): number {
    return Math.max(0, ...this.#epochs)
  }

  #path(epoch: number, kind: 'ndjson' | 'delivered' = 'ndjson'): string {
    return join(this.#name.dir, this.#name.runId, `${this.#name.index}.${epoch}.${kind}`)
  }

  /** The file of `epoch`, made if it is new; one file of a job is open at a time. */
  async #open(epoch: number): Promise<LogFile> {
    if (this.#file?.epoch === epoch) return this.#file.log
    await this.close()
    const folder = join(this.#name.dir, this.#name.runId)
    const made = await mkdir(folder, { recursive: true, mode: 0o700 })
    const log = await LogFile.open(this.#path(epoch))
    this.#file = { epoch, log }
    if (this.#durable && made !== undefined) await syncFolder(this.#name.dir)
    if (this.#durable && !this.#epochs.has(epoch)) await syncFolder(folder)
    this.#epochs.add(epoch)
    return log
  }

  #answer(file: LogFile, result: 'acked' | 'full'): Logged {
    const { nextLine } = file
    const synced = this.#durable ? file.sync() : undefined
    if (result === 'acked') return { answer: { kind: 'acked', nextLine }, synced }
    return { answer: { kind: 'refused', code: 'full', nextLine }, synced }
  }
}

function refused(code: Extract<LogAppend, { kind: 'refused' }>['code'], nextLine: number): Logged {
  return { answer: { kind: 'refused', code, nextLine }, synced: undefined }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}
