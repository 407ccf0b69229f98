import { OUTPUTS_BYTES_MAX, OUTPUTS_FILE_BYTES_MAX, OUTPUTS_MAX } from './graph-limits.ts'
import { NAME_CHARACTERS_MAX } from './limits.ts'

export type Outputs = Readonly<Record<string, string>>

export type ParsedOutputs =
  | { readonly kind: 'read'; readonly outputs: Outputs }
  /** For people: what is wrong, and in which line. */
  | { readonly kind: 'invalid'; readonly problem: string }

const PAIR = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/
const HEREDOC = /^([A-Za-z_][A-Za-z0-9_]*)<<(\S+)$/
const SHOWN_CHARACTERS_MAX = 40

/**
 * Reads what a job has written for the jobs that need it: `name=value`, one a line, or
 * `name<<END`, lines, and `END` alone on one. Empty lines are nothing; a name that comes again has
 * its last value. What is not so is an error: a value that is lost in silence is found a job later.
 */
export function parseOutputs(text: string): ParsedOutputs {
  const bytes = new TextEncoder().encode(text).length
  if (bytes > OUTPUTS_FILE_BYTES_MAX) {
    return invalid(`the file has more than ${OUTPUTS_FILE_BYTES_MAX} bytes`)
  }
  const found = new Map<string, string>()
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''))
  for (let at = 0; at < lines.length; ) {
    const one = entryAt(lines, at)
    if (typeof one === 'string') return invalid(`line ${at + 1}: ${one}`)
    if (one.name !== undefined) found.set(one.name, one.value)
    at = one.next
  }
  return checked(Object.fromEntries(found))
}

interface Entry {
  /** Undefined for a line without anything. */
  readonly name: string | undefined
  readonly value: string
  readonly next: number
}

/** The entry that begins in that line, or what is wrong there. */
function entryAt(lines: readonly string[], at: number): Entry | string {
  const line = lines[at] ?? ''
  if (line === '') return { name: undefined, value: '', next: at + 1 }
  const begun = HEREDOC.exec(line)
  const [, name, rest = ''] = begun ?? PAIR.exec(line) ?? []
  if (name === undefined) return `${shown(line)} is not name=value`
  if (name.length > NAME_CHARACTERS_MAX) return 'the name is too long'
  if (begun === null) return { name, value: rest, next: at + 1 }
  const end = lines.indexOf(rest, at + 1)
  if (end < 0) return `${shown(line)} has no line ${shown(rest)}`
  return { name, value: lines.slice(at + 1, end).join('\n'), next: end + 1 }
}

function checked(outputs: Outputs): ParsedOutputs {
  const entries = Object.entries(outputs)
  if (entries.length > OUTPUTS_MAX) {
    return invalid(`there are ${entries.length}, at most ${OUTPUTS_MAX} are handed on`)
  }
  const nul = entries.find(([, value]) => value.includes('\0'))
  if (nul !== undefined) return invalid(`${nul[0]} has a NUL character`)
  const { length } = new TextEncoder().encode(entries.flat().join(''))
  if (length > OUTPUTS_BYTES_MAX) {
    return invalid(`they have ${length} bytes, at most ${OUTPUTS_BYTES_MAX} are handed on`)
  }
  return { kind: 'read', outputs }
}

function invalid(problem: string): ParsedOutputs {
  return { kind: 'invalid', problem }
}

function shown(text: string): string {
  const characters = [...text]
  if (characters.length <= SHOWN_CHARACTERS_MAX) return JSON.stringify(text)
  return `${JSON.stringify(characters.slice(0, SHOWN_CHARACTERS_MAX).join(''))}...`
}
