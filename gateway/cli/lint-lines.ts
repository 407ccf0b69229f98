import type { ManifestError } from '../../protocol/core/run.ts'
import { harmless } from '../../protocol/host/harmless.ts'

interface Shown {
  readonly file: string
  /** Of the file. */
  readonly bytes: Uint8Array
  /** True where a person reads it: then each has its line of the file below it. */
  readonly isTerminal: boolean
}

/** `file:line:column: code: text`, a line each. */
export function errorLines(errors: readonly ManifestError[], shown: Shown): readonly string[] {
  const source = shown.isTerminal ? new TextDecoder().decode(shown.bytes).split('\n') : []
  return errors.flatMap((error) => {
    const { code, message, line = 1, column = 1 } = error
    const place = `${shown.file}:${line}:${column}: `
    const text = message.startsWith(place) ? message.slice(place.length) : message
    const said = `${harmless(place)}${code}: ${harmless(text)}\n`
    return shown.isTerminal ? [said, ...excerpt(source[line - 1] ?? '', column)] : [said]
  })
}

/** Characters of a line that are shown, and how many of them before the place. */
const WIDTH = 76
const BEFORE = 40

/** A line of the file with a caret below the column. */
function excerpt(line: string, column: number): readonly string[] {
  const from = Math.max(0, column - 1 - BEFORE)
  // What moves the cursor would tear text and caret apart.
  const before = harmless(line.slice(from, column - 1))
  const after = harmless(line.slice(column - 1, from + WIDTH))
  return [`    ${before}${after}\n`, `    ${' '.repeat(before.length)}^\n`]
}
