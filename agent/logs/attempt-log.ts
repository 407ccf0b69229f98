import { createHash, type Hash } from 'node:crypto'
import { LOG_BYTES_MAX, LOG_CHUNK_BYTES_MAX, LOG_CHUNK_MS_MAX } from '../../protocol/core/limits.ts'
import type { LogLine, LogStream } from '../../protocol/core/log-line.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { LogStore } from '../../protocol/store/log-store.ts'

export interface AttemptLogParts {
  readonly spool: LogStore
  readonly clock: Clock
  readonly log: Log
}

export interface AttemptLogOptions {
  readonly job: string
  readonly epoch: number
  /** Told after lines have reached the spool, so that the feed can send them. */
  readonly onSpooled: () => void
}

export interface LogSummary {
  readonly lines: number
  /** SHA-256 over every line's text with a line feed, 64 hex digits; '' without lines. */
  readonly digest: string
}

/**
 * The log of one attempt: numbers the lines, stamps them and writes them to the spool in chunks of
 * LOG_CHUNK_BYTES_MAX or LOG_CHUNK_MS_MAX, whichever comes first. What is over LOG_BYTES_MAX is
 * counted and named in the last line, never kept.
 */
export class AttemptLog {
  readonly #parts: AttemptLogParts
  readonly #options: AttemptLogOptions
  readonly #hash: Hash = createHash('sha256')
  #pending: LogLine[] = []
  #pendingBytes = 0
  #lines = 0
  #bytes = 0
  #dropped = 0
  #disarm: (() => void) | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(parts: AttemptLogParts, options: AttemptLogOptions) {
    this.#parts = parts
    this.#options = options
  }

  /** One line without its line end. */
  write(step: number, stream: LogStream, text: string): void {
    const bytes = Buffer.byteLength(text) + 1
    if (this.#bytes + bytes > LOG_BYTES_MAX) {
      this.#dropped += 1
      return
    }
    this.#push(step, stream, text, bytes)
    if (this.#pendingBytes >= LOG_CHUNK_BYTES_MAX) this.#flush()
    else this.#disarm ??= this.#parts.clock.arm(LOG_CHUNK_MS_MAX, () => this.#flush())
  }

  /** Writes what is left and marks the end of the log. */
  async close(): Promise<LogSummary> {
    if (this.#dropped > 0) {
      const text = `the log is over ${LOG_BYTES_MAX} bytes: ${this.#dropped} more lines were left out`
      this.#push(0, 'mesh', text, Buffer.byteLength(text) + 1)
    }
    this.#flush()
    await this.#writing
    const { job, epoch } = this.#options
    await this.#parts.spool.finish(job, epoch).catch((error: unknown) => this.#failed(error))
    this.#options.onSpooled()
    return { lines: this.#lines, digest: this.#lines === 0 ? '' : this.#hash.digest('hex') }
  }

  #push(step: number, stream: LogStream, text: string, bytes: number): void {
    this.#lines += 1
    this.#bytes += bytes
    this.#pendingBytes += bytes
    this.#hash.update(text).update('\n')
    const atMs = this.#parts.clock.wallMs()
    this.#pending.push({ number: this.#lines, atMs, step, stream, text })
  }

  #flush(): void {
    this.#disarm?.()
    this.#disarm = undefined
    const [first] = this.#pending
    if (first === undefined) return
    const lines = this.#pending
    this.#pending = []
    this.#pendingBytes = 0
    const { job, epoch, onSpooled } = this.#options
    // One write after the other: two side by side could reach the spool in the wrong order.
    this.#writing = this.#writing
      .then(() => this.#parts.spool.append(job, epoch, first.number, lines))
      .then(() => onSpooled())
      .catch((error: unknown) => this.#failed(error))
  }

  #failed(error: unknown): void {
    // A full disk must not fail somebody's build: the log has a hole, and the daemon's log says so.
    const { job, epoch } = this.#options
    this.#parts.log.error({ job, epoch, err: error }, 'log lines lost')
  }
}
