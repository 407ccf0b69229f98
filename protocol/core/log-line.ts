import { LOG_LINE_BYTES_MAX } from './limits.ts'

/** `mesh` is what we say about the job; the others are its own words. */
export type LogStream = 'out' | 'err' | 'mesh'

export interface LogLine {
  /** From 1, without gaps, within one epoch. */
  readonly number: number
  /** Wall clock of the holder, milliseconds. */
  readonly atMs: number
  /** 1-based; 0 is the mesh's own. */
  readonly step: number
  readonly stream: LogStream
  /** Without its line end; at most LOG_LINE_BYTES_MAX bytes of UTF-8. */
  readonly text: string
}

/** The unfinished line of one stream of one step. */
export interface LineSplitter {
  /** Bytes kept of it, at most LOG_LINE_BYTES_MAX. */
  readonly kept: Uint8Array
  /** How many more it has. */
  readonly cutBytes: number
  /** A carriage return came last: what follows decides whether it ends or rewrites the line. */
  readonly returned: boolean
}

export const NO_LINE: LineSplitter = { kept: new Uint8Array(0), cutBytes: 0, returned: false }

const LF = 10
const CR = 13

/**
 * Splits what one stream wrote into lines; chunks may end anywhere, inside a character too. A line
 * ends with LF or CR LF. A CR elsewhere starts the line over, as on a terminal: of a progress bar
 * only its last state stays, and its thousand others do not fill the log. Bytes that are no UTF-8
 * become U+FFFD.
 */
export function splitLines(
  splitter: LineSplitter,
  chunk: Uint8Array
): readonly [LineSplitter, readonly string[]] {
  const lines: string[] = []
  let line = splitter
  let from = 0
  for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, from)) {
    line = extend(line, chunk.subarray(from, end))
    lines.push(textOf(line))
    line = NO_LINE
    from = end + 1
  }
  return [extend(line, chunk.subarray(from)), lines]
}

/** The line that the stream ended in; none where it ended with a line end. */
export function finishLines(splitter: LineSplitter): readonly string[] {
  return splitter.kept.length === 0 && splitter.cutBytes === 0 ? [] : [textOf(splitter)]
}

/** Adds bytes without LF to a line. */
function extend(line: LineSplitter, bytes: Uint8Array): LineSplitter {
  if (bytes.length === 0) return line
  let last = bytes.length
  while (last > 0 && bytes[last - 1] === CR) last -= 1
  // Carriage returns alone rewrite nothing yet: CR CR LF is still one line end.
  if (last === 0) return { ...line, returned: true }
  const start = bytes.lastIndexOf(CR, last - 1) + 1
  const isOver = start > 0 || line.returned
  const added = append(isOver ? NO_LINE : line, bytes.subarray(start, last))
  return { ...added, returned: last < bytes.length }
}

function append(line: LineSplitter, bytes: Uint8Array): LineSplitter {
  // What is over the limit is only counted: a job that never ends its line must not fill memory.
  const room = LOG_LINE_BYTES_MAX - line.kept.length
  const taken = bytes.subarray(0, room)
  const kept = new Uint8Array(line.kept.length + taken.length)
  kept.set(line.kept)
  kept.set(taken, line.kept.length)
  const cutBytes = line.cutBytes + bytes.length - taken.length
  return { kept, cutBytes, returned: false }
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const encoder = new TextEncoder()
const scratch = new Uint8Array(LOG_LINE_BYTES_MAX)
const MARK_BYTES = 48

function textOf(line: LineSplitter): string {
  const text = decoder.decode(line.kept)
  if (line.cutBytes === 0 && fitsLine(text)) return text
  // U+FFFD has three bytes where the job wrote one: the text is measured again as it is sent.
  const room = scratch.subarray(0, LOG_LINE_BYTES_MAX - MARK_BYTES)
  const start = text.slice(0, encoder.encodeInto(text, room).read)
  return `${start} [line cut at ${LOG_LINE_BYTES_MAX} bytes]`
}

function fitsLine(text: string): boolean {
  return (
    text.length * 3 <= LOG_LINE_BYTES_MAX || encoder.encodeInto(text, scratch).read === text.length
  )
}
