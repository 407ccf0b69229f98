import { createHash, type Hash } from 'node:crypto'
import {
  LOG_BYTES_MAX,
  LOG_CHUNK_BYTES_MAX,
  LOG_CHUNK_MS_MAX,
  LOG_NOTICE_BYTES_MAX,
  LOG_PAGE_LINES_MAX
} from '../../protocol/core/limits.ts'
import type { LogLine, LogStream } from '../../protocol/core/log-line.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { Log } from '../../protocol/host/log.ts'
import { encodedBytes } from '../../protocol/store/log-line-codec.ts'
import type { LogStore } from '../../protocol/store/log-store.ts'

export interface AttemptLogParts {
  readonly spool: Pick<LogStore, 'append' | 'finish'>
  readonly clock: Clock
  readonly log: Log
}

export interface AttemptLogOptions {
  readonly job: string
  readonly epoch: number
  /** Told after lines have reached the spool, so that the feed can send them. */
  readonly onSpooled: () => void
}

/** What the spool has of a log, and nothing else: an outcome vouches for it. */
export interface LogSummary {
  readonly lines: number
  /** SHA-256 over every line's text with a line feed, 64 hex digits; '' without lines. */
  readonly digest: string
}

/** A log that goes on, with the lines of each step and stream that it has already. */
export interface ResumedLog {
  readonly log: AttemptLog
  lines(step: number, stream: LogStream): number
}

/** A line that has no number yet: it gets one when it is written. */
type Said = Omit<LogLine, 'number'>

/**
 * The log of one attempt: stamps the lines, numbers them and writes them to the spool in chunks of
 * LOG_CHUNK_BYTES_MAX, or one every LOG_CHUNK_MS_MAX. What does not fit LOG_BYTES_MAX,
 * or does not reach the disk, is counted and named in the last line, never kept.
 */
export class AttemptLog {
  readonly #parts: AttemptLogParts
  readonly #options: AttemptLogOptions
  readonly #hash: Hash = createHash('sha256')
  #pending: Said[] = []
  #pendingBytes = 0
  /** Lines and bytes taken, on their way to the spool or there. */
  #taken = 0
  #takenBytes = 0
  #cut = 0
  #cutBytes = 0
  /** Lines that the spool has, and those it was given in vain. */
  #kept = 0
  #lost = 0
  #disarm: (() => void) | undefined
  #flushedAtMs = Number.NEGATIVE_INFINITY
  #writing: Promise<void> = Promise.resolve()

  constructor(parts: AttemptLogParts, options: AttemptLogOptions) {
    this.#parts = parts
    this.#options = options
  }

  /**
   * The log of an attempt that a process before this one began, to be written on behind its last
   * line. Lines that had not reached the spool by then are to be written again.
   */
  static async resume(
    parts: AttemptLogParts & { readonly spool: Pick<LogStore, 'read'> },
    options: AttemptLogOptions
  ): Promise<ResumedLog> {
    const log = new AttemptLog(parts, options)
    const lines = new Map<string, number>()
    for (let next = 1; ; ) {
      const { job, epoch } = options
      const page = await parts.spool.read(job, epoch, next, LOG_PAGE_LINES_MAX)
      if (page.kind === 'absent' || page.lines.length === 0) break
      for (const line of page.lines) {
        log.#keep(line)
        const name = `${line.step} ${line.stream}`
        lines.set(name, (lines.get(name) ?? 0) + 1)
      }
      next = page.next
    }
    return { log, lines: (step, stream) => lines.get(`${step} ${stream}`) ?? 0 }
  }

  /** One line without its line end. */
  write(step: number, stream: LogStream, text: string): void {
    const said = { atMs: this.#parts.clock.wallMs(), step, stream, text }
    const bytes = encodedBytes({ number: this.#taken + 1, ...said })
    const isOver = this.#takenBytes + bytes > LOG_BYTES_MAX - LOG_NOTICE_BYTES_MAX
    // After the first that is left out all are: a hole in the middle would not be seen.
    if (isOver || this.#cut > 0) {
      this.#cut += 1
      this.#cutBytes += Buffer.byteLength(text) + 1
      return
    }
    this.#taken += 1
    this.#takenBytes += bytes
    this.#pending.push(said)
    this.#pendingBytes += bytes
    if (this.#pendingBytes >= LOG_CHUNK_BYTES_MAX) this.#flush()
    else this.#disarm ??= this.#parts.clock.arm(this.#waitMs(), () => this.#flush())
  }

  /** Resolves once the spool has all that was written so far. */
  async flushed(): Promise<void> {
    this.#flush()
    await this.#writing
  }

  /** Writes what is left and marks the end of the log. */
  async close(): Promise<LogSummary> {
    this.#flush()
    await this.#writing
    for (const text of this.#notices()) {
      await this.#append([{ atMs: this.#parts.clock.wallMs(), step: 0, stream: 'mesh', text }])
    }
    const { job, epoch, onSpooled } = this.#options
    await this.#parts.spool.finish(job, epoch).catch((error: unknown) => this.#failed(error))
    onSpooled()
    return { lines: this.#kept, digest: this.#kept === 0 ? '' : this.#hash.digest('hex') }
  }

  /** A line that the spool has already. */
  #keep(line: LogLine): void {
    this.#taken += 1
    this.#takenBytes += encodedBytes(line)
    this.#kept += 1
    this.#hash.update(line.text).update('\n')
  }

  /** What is missing, said in the log itself; all of it fits LOG_NOTICE_BYTES_MAX. */
  #notices(): readonly string[] {
    const notices: string[] = []
    if (this.#cut > 0) {
      const rest = `${count(this.#cut)} (${this.#cutBytes} bytes)`
      notices.push(`the log is cut at ${LOG_BYTES_MAX} bytes; left out here: ${rest}`)
    }
    if (this.#lost > 0)
      notices.push(`${count(this.#lost)} of this log could not be kept on the disk`)
    return notices
  }

  /** A line after a silence waits for no company: somebody may be looking. */
  #waitMs(): number {
    const silentMs = this.#parts.clock.bootMs() - this.#flushedAtMs
    return Math.max(0, LOG_CHUNK_MS_MAX - silentMs)
  }

  #flush(): void {
    this.#disarm?.()
    this.#disarm = undefined
    if (this.#pending.length === 0) return
    const lines = this.#pending
    this.#flushedAtMs = this.#parts.clock.bootMs()
    this.#pending = []
    this.#pendingBytes = 0
    // One write after the other: two side by side could reach the spool in the wrong order.
    this.#writing = this.#writing.then(() => this.#append(lines))
  }

  /** Never rejects. Numbers follow what the spool has, so that what was lost leaves no gap. */
  async #append(said: readonly Said[]): Promise<void> {
    const first = this.#kept + 1
    const lines = said.map((line, index) => ({ number: first + index, ...line }))
    const kept = await this.#spool(first, lines)
    for (const { text } of lines.slice(0, kept)) this.#hash.update(text).update('\n')
    this.#kept += kept
    this.#lost += lines.length - kept
    if (kept > 0) this.#options.onSpooled()
  }

  /** How many of `lines` the spool has taken. */
  async #spool(first: number, lines: readonly LogLine[]): Promise<number> {
    const { job, epoch } = this.#options
    try {
      const answer = await this.#parts.spool.append(job, epoch, first, lines)
      if (answer.kind === 'acked') return lines.length
      this.#failed(new Error(`the spool refuses lines: ${answer.code}`))
      return Math.max(0, Math.min(lines.length, answer.nextLine - first))
    } catch (error) {
      this.#failed(error)
      return 0
    }
  }

  #failed(error: unknown): void {
    // A full disk must not fail somebody's build: the log has a hole, and the daemon's log says so.
    const { job, epoch } = this.#options
    if (this.#lost === 0) this.#parts.log.error({ job, epoch, err: error }, 'log lines lost')
  }
}

function count(lines: number): string {
  return lines === 1 ? '1 line' : `${lines} lines`
}
