import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { LOG_BYTES_MAX, LOG_PAGE_BYTES_MAX } from '../core/limits.ts'
import type { LogLine } from '../core/log-line.ts'
import { decodeLine, encodeEnd, encodeLine, kindOfLine } from './log-line-codec.ts'

/** Every so many lines the place of one is kept in memory: a read skips at most that many. */
const LINES_PER_MARK = 256
const READ_BYTES = 65_536
const LINE_END = 0x0a

export interface LogPage {
  readonly lines: readonly LogLine[]
  readonly next: number
  readonly end: boolean
}

/** The log of one attempt: lines without gaps from 1, then possibly its end. One call at a time. */
export class LogFile {
  readonly #handle: FileHandle
  /** Places of the lines 1, 257, 513, ... */
  readonly #marks: number[] = []
  /** Bytes of whole lines. */
  #bytes = 0
  #nextLine = 1
  #ended = false
  #syncing: Promise<void> | undefined
  #syncNext: Promise<void> | undefined

  private constructor(handle: FileHandle) {
    this.#handle = handle
  }

  /** Opens or makes the file; cuts off a last line that a crash has torn. */
  static async open(path: string): Promise<LogFile> {
    const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants
    const handle = await open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600)
    const file = new LogFile(handle)
    try {
      await file.#repair()
    } catch (error) {
      await handle.close()
      throw error
    }
    return file
  }

  get nextLine(): number {
    return this.#nextLine
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Keeps `lines`, which start at `nextLine`, as far as LOG_BYTES_MAX lets it: true for all. */
  async append(lines: readonly LogLine[]): Promise<boolean> {
    const encoded: Buffer[] = []
    let bytes = this.#bytes
    for (const line of lines) {
      const row = encodeLine(line)
      if (bytes + row.length > LOG_BYTES_MAX) break
      encoded.push(row)
      bytes += row.length
    }
    await this.#write(Buffer.concat(encoded))
    for (const row of encoded) this.#count(row.length)
    return encoded.length === lines.length
  }

  async finish(): Promise<void> {
    if (this.#ended) return
    const row = encodeEnd(this.#nextLine)
    await this.#write(row)
    this.#bytes += row.length
    this.#ended = true
  }

  /**
   * At most `limit` lines and LOG_PAGE_BYTES_MAX bytes from `fromLine` on, at least one if there.
   */
  async read(fromLine: number, limit: number): Promise<LogPage> {
    const first = Math.max(1, fromLine)
    const lines: LogLine[] = []
    let bytes = 0
    let number = this.#markBefore(first) * LINES_PER_MARK + 1
    for await (const row of this.#rows(this.#marks[this.#markBefore(first)] ?? this.#bytes)) {
      if (number >= this.#nextLine || lines.length >= limit) break
      if (number >= first) {
        bytes += row.length
        if (lines.length > 0 && bytes > LOG_PAGE_BYTES_MAX) break
        lines.push(decodeLine(row))
      }
      number += 1
    }
    const next = first + lines.length
    return { lines, next, end: this.#ended && next >= this.#nextLine }
  }

  /** Syncs all that was written before this call; calls that wait share one sync. */
  sync(): Promise<void> {
    this.#syncNext ??= this.#syncAfter(this.#syncing)
    return this.#syncNext
  }

  async close(): Promise<void> {
    // The number of a closed file may be another file's by the time that its sync runs.
    await (this.#syncNext ?? this.#syncing)?.catch(() => undefined)
    await this.#handle.close()
  }

  async #syncAfter(running: Promise<void> | undefined): Promise<void> {
    await running?.catch(() => undefined)
    const syncing = this.#handle.datasync()
    this.#syncing = syncing
    this.#syncNext = undefined
    await syncing
  }

  async #repair(): Promise<void> {
    const { size } = await this.#handle.stat()
    for await (const row of this.#rows(0, size)) {
      const kind = this.#ended ? 'damaged' : kindOfLine(row, this.#nextLine)
      if (kind === 'damaged') break
      if (kind === 'line') {
        this.#count(row.length + 1)
      } else {
        this.#bytes += row.length + 1
        this.#ended = true
      }
    }
    if (this.#bytes < size) await this.#handle.truncate(this.#bytes)
  }

  #count(bytes: number): void {
    if ((this.#nextLine - 1) % LINES_PER_MARK === 0) this.#marks.push(this.#bytes)
    this.#bytes += bytes
    this.#nextLine += 1
  }

  #markBefore(line: number): number {
    return Math.floor((line - 1) / LINES_PER_MARK)
  }

  async #write(bytes: Buffer): Promise<void> {
    try {
      let done = 0
      while (done < bytes.length) {
        const place = this.#bytes + done
        const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, place)
        done += bytesWritten
      }
    } catch (error) {
      // Half a line in the middle would end the log there at the next start.
      await this.#handle.truncate(this.#bytes).catch(() => undefined)
      throw error
    }
  }

  /** Whole lines, without their ends, from byte `start` to byte `end`. */
  async *#rows(start: number, end = this.#bytes): AsyncIterable<Buffer> {
    let place = start
    let rest: Buffer[] = []
    while (place < end) {
      const chunk = Buffer.allocUnsafe(Math.min(READ_BYTES, end - place))
      const { bytesRead } = await this.#handle.read(chunk, 0, chunk.length, place)
      if (bytesRead === 0) return
      place += bytesRead
      let from = 0
      for (;;) {
        const to = chunk.subarray(0, bytesRead).indexOf(LINE_END, from)
        if (to < 0) break
        rest.push(chunk.subarray(from, to))
        yield Buffer.concat(rest)
        rest = []
        from = to + 1
      }
      rest.push(chunk.subarray(from, bytesRead))
    }
  }
}
