import { ENV_VALUE_BYTES_MAX, NAME_CHARACTERS_MAX, SCRIPT_BYTES_MAX } from '../core/limits.ts'
import { parsePlatform } from '../core/platform.ts'
import { notBuilt } from './keys.ts'

/** What is wrong with a text, with the way out; undefined for a good one. */
export type Check = (text: string) => string | undefined

// Control characters move a terminal's cursor; bidirectional ones show another text than is there.
const HIDDEN = /[\p{Cc}\u2028-\u202e\u2066-\u2069]/u
/** Starts a field that a later version fills in: taken as text now, its meaning would change. */
const SUBSTITUTION = `$${'{{'}`
const LONE_SURROGATE = /\p{Cs}/u
const encoder = new TextEncoder()

/** A job's name: the key of `jobs`. It must not look like a number: those lose their order. */
export const jobNameProblem: Check = (text) => {
  if (text.length > NAME_CHARACTERS_MAX) return tooLong
  const isName = /^[A-Za-z_][A-Za-z0-9_.-]*$/.test(text)
  return isName ? undefined : 'is no name for a job: use a letter, then letters, digits, - _ .'
}

export const stepNameProblem: Check = (text) => {
  if (text.trim() === '') return 'is empty: name the step, or leave `name` out'
  return shortTextProblem(text)
}

export const labelKeyProblem: Check = (text) => {
  if (text.length > NAME_CHARACTERS_MAX) return tooLong
  const isKey = /^[A-Za-z0-9][A-Za-z0-9_./-]*$/.test(text)
  return isKey ? undefined : 'is no label: use letters, digits, - _ . /'
}

export const labelValueProblem: Check = (text) => {
  if (text === '') return 'is empty: give the value that an agent must offer'
  return shortTextProblem(text)
}

export const platformProblem: Check = (text) => {
  if (text.includes(SUBSTITUTION)) return notBuilt('substitution')
  const isPlatform = parsePlatform(text) !== undefined
  return isPlatform ? undefined : 'is no platform: write it as in linux/amd64 or linux/arm64'
}

/** The engine knows the whole grammar; this keeps out what could be read as something else. */
export const imageProblem: Check = (text) => {
  if (text.includes(SUBSTITUTION)) return notBuilt('substitution')
  const isImage = /^[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,254}$/.test(text)
  return isImage ? undefined : 'is no image: write it as in debian:13 or registry.example/name:tag'
}

export const scriptProblem: Check = (text) => {
  if (text.trim() === '') return 'is empty: write a command, or remove the step'
  const bytes = encoder.encode(text).length
  if (bytes > SCRIPT_BYTES_MAX) {
    return `has ${bytes} bytes, at most ${SCRIPT_BYTES_MAX} are allowed: put it into a file`
  }
  return argumentProblem(text)
}

export const envValueProblem: Check = (text) => {
  if (text.includes(SUBSTITUTION)) return notBuilt('substitution')
  const bytes = encoder.encode(text).length
  if (bytes > ENV_VALUE_BYTES_MAX) {
    return `has ${bytes} bytes, at most ${ENV_VALUE_BYTES_MAX} are allowed: put it into a file`
  }
  return argumentProblem(text)
}

const tooLong = `is too long: at most ${NAME_CHARACTERS_MAX} characters are allowed`

function shortTextProblem(text: string): string | undefined {
  if (text.length > NAME_CHARACTERS_MAX) return tooLong
  if (HIDDEN.test(text)) return 'holds an invisible control character: remove it'
  return argumentProblem(text)
}

// The kernel ends arguments and variables at the first NUL: what follows would be lost in silence.
function argumentProblem(text: string): string | undefined {
  if (text.includes('\0')) return 'holds a NUL character: remove it'
  return LONE_SURROGATE.test(text) ? 'holds half a character (\\uD800): remove it' : undefined
}

/** A step's name where it has none: the first line of its script that says something. */
export function nameOfScript(script: string): string {
  const lines = script.split('\n').map((line) => line.replaceAll(HIDDEN_ALL, ' ').trim())
  const [first = 'step'] = lines.filter((line) => line !== '')
  const characters = [...first]
  if (characters.length <= NAME_CHARACTERS_MAX) return first
  return `${characters.slice(0, NAME_CHARACTERS_MAX - 1).join('')}…`
}

const HIDDEN_ALL = new RegExp(HIDDEN, 'gu')
