import {
  OUTPUT_BURST_BYTES,
  OUTPUT_BURST_LINES,
  OUTPUT_BYTES_PER_S,
  OUTPUT_LINES_PER_S
} from '../../protocol/core/output-limits.ts'

const LF = 10
const S = 1_000

/**
 * How fast what the steps of one attempt write is read. Nothing is left out: an output that is not
 * read fills its pipe, and whoever writes to it waits. Two buckets, of bytes and of lines, each of
 * which may be in debt: what was read once cannot be unread.
 */
export class OutputPace {
  readonly #nowMs: () => number
  #atMs: number
  #bytes = OUTPUT_BURST_BYTES
  #lines = OUTPUT_BURST_LINES

  /** `nowMs` is on a clock that is never set back. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
    this.#atMs = nowMs()
  }

  /** What was read, of whichever stream. */
  took(bytes: Uint8Array): void {
    this.#refill()
    this.#bytes -= bytes.length
    this.#lines -= linesOf(bytes)
  }

  /** Milliseconds for which nothing more is to be read; 0 for none. */
  restMs(): number {
    this.#refill()
    const bytesMs = (-this.#bytes / OUTPUT_BYTES_PER_S) * S
    const linesMs = (-this.#lines / OUTPUT_LINES_PER_S) * S
    return Math.ceil(Math.max(0, bytesMs, linesMs))
  }

  #refill(): void {
    const nowMs = this.#nowMs()
    const s = Math.max(0, nowMs - this.#atMs) / S
    this.#atMs = nowMs
    this.#bytes = Math.min(OUTPUT_BURST_BYTES, this.#bytes + s * OUTPUT_BYTES_PER_S)
    this.#lines = Math.min(OUTPUT_BURST_LINES, this.#lines + s * OUTPUT_LINES_PER_S)
  }
}

function linesOf(bytes: Uint8Array): number {
  let lines = 0
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) lines += 1
  return lines
}
