import { write, writeSync } from 'node:fs'
import { causeOf } from '../core/errors.ts'
import { LOG_OUTPUT_BYTES_MAX } from '../core/limits.ts'

/** Milliseconds until a reader that has no room now is tried again. */
const BUSY_MS = 100

interface Batch {
  readonly bytes: Uint8Array
  readonly lines: number
  /** How many lost lines its first line tells of. */
  readonly told: number
}

/** Writes some of `bytes` and says how many; `fs.write` is the real one. */
export type Put = (
  fd: number,
  bytes: Uint8Array,
  done: (error: NodeJS.ErrnoException | null, written: number) => void
) => void

/**
 * Lines of a log to an open file. Where they cannot be written, on a full disk say, they are lost,
 * and the first line that can be written again says how many. Pino's own output ends its process
 * with the first such error, and before that tries to write what is left, without an end: a daemon
 * that neither works nor dies, and keeps its state locked.
 */
export class LineOutput {
  readonly #fd: number
  readonly #program: string
  readonly #put: Put
  #pending: string[] = []
  #pendingBytes = 0
  #writing = false
  #lost = 0
  #cause = ''
  /** The last that was written is half a line. */
  #torn = false

  constructor(fd: number, program: string, put: Put = write) {
    this.#fd = fd
    this.#program = program
    this.#put = put
    process.once('exit', () => this.#flush())
  }

  write(line: string): void {
    const bytes = Buffer.byteLength(line)
    if (this.#pendingBytes + bytes > LOG_OUTPUT_BYTES_MAX) {
      this.#lost += 1
      this.#cause = 'nobody reads them'
      return
    }
    this.#pending.push(line)
    this.#pendingBytes += bytes
    if (!this.#writing) this.#next()
  }

  #next(): void {
    const batch = this.#take()
    this.#writing = batch !== undefined
    if (batch !== undefined) this.#write(batch, batch.bytes)
  }

  #take(): Batch | undefined {
    const lines = this.#pending.length
    if (lines === 0) return undefined
    const text = `${this.#notice()}${this.#pending.join('')}`
    this.#pending = []
    this.#pendingBytes = 0
    return { bytes: Buffer.from(text), lines, told: this.#lost }
  }

  #write(batch: Batch, rest: Uint8Array): void {
    this.#put(this.#fd, rest, (error, written) => {
      if (error?.code === 'EAGAIN') {
        setTimeout(() => this.#write(batch, rest), BUSY_MS)
      } else if (error === null && written < rest.length) {
        this.#write(batch, rest.subarray(written))
      } else {
        this.#settle(batch, rest.length, error)
        this.#next()
      }
    })
  }

  #settle(batch: Batch, left: number, error: unknown): void {
    if (error === null) {
      this.#lost -= batch.told
      this.#torn = false
      return
    }
    this.#lost += batch.lines
    this.#cause = causeOf(error)
    this.#torn ||= left < batch.bytes.length
  }

  #notice(): string {
    if (this.#lost === 0) return ''
    const time = new Date().toISOString()
    const facts = { level: 50, time, program: this.#program, lines: this.#lost, cause: this.#cause }
    return `${this.#torn ? '\n' : ''}${JSON.stringify({ ...facts, msg: 'log lines lost' })}\n`
  }

  /** At the end of the process, once: who waits for room here would never end. */
  #flush(): void {
    let rest = this.#take()?.bytes ?? new Uint8Array()
    try {
      while (rest.length > 0) rest = rest.subarray(writeSync(this.#fd, rest))
    } catch {
      // Nobody is left to be told.
    }
  }
}
