import type { LogLine } from '../core/log-line.ts'

/** One line of a log file; the number comes first, so that a scan need not parse the rest. */
export function encodeLine(line: LogLine): Buffer {
  return Buffer.from(rowOf(line))
}

/** What a line takes of LOG_BYTES_MAX: of a control character six bytes, and the row around it. */
export function encodedBytes(line: LogLine): number {
  return Buffer.byteLength(rowOf(line))
}

function rowOf({ number, atMs, step, stream, text }: LogLine): string {
  return `${JSON.stringify({ number, atMs, step, stream, text })}\n`
}

/** The last line of a finished log. */
export function encodeEnd(nextLine: number): Buffer {
  return Buffer.from(`${JSON.stringify({ end: nextLine })}\n`)
}

export type LineKind = 'line' | 'end' | 'damaged'

/** What the bytes of one line, without its end, are where line `expected` belongs. */
export function kindOfLine(bytes: Buffer, expected: number): LineKind {
  const head = `{"number":${expected},`
  if (bytes.length > head.length && bytes.toString('latin1', 0, head.length) === head) {
    return bytes.at(-1) === '}'.charCodeAt(0) ? 'line' : 'damaged'
  }
  return bytes.toString('latin1') === `{"end":${expected}}` ? 'end' : 'damaged'
}

/** Throws on bytes that are no line. */
export function decodeLine(bytes: Buffer): LogLine {
  return JSON.parse(bytes.toString('utf8')) as LogLine
}
