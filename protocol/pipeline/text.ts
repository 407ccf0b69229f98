import {
  GROUP_CHARACTERS_MAX,
  INPUT_BYTES_MAX,
  MATRIX_VALUE_CHARACTERS_MAX
} from '../core/graph-limits.ts'
import { imageParts } from '../core/image-name.ts'
import {
  ENV_VALUE_BYTES_MAX,
  IMAGE_CHARACTERS_MAX,
  NAME_CHARACTERS_MAX,
  SCRIPT_BYTES_MAX
} from '../core/limits.ts'
import { parsePlatform } from '../core/platform.ts'

/** What is wrong with a text, with the way out; undefined for a good one. */
export type Check = (text: string) => string | undefined

// Control characters move a terminal's cursor; bidirectional ones show another text than is there.
const HIDDEN = /[\p{Cc}\u2028-\u202e\u2066-\u2069]/u
const LONE_SURROGATE = /\p{Cs}/u
const encoder = new TextEncoder()

export const JOB_NAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/
export const LABEL_KEY = /^[A-Za-z0-9][A-Za-z0-9_./-]*$/
/** One line that can be seen. */
export const SHORT_TEXT = /^[^\p{Cc}\u2028-\u202e\u2066-\u2069]+$/u

/** A job's name: the key of `jobs`. It must not look like a number: those lose their order. */
export const jobNameProblem: Check = (text) => {
  if (text.length > NAME_CHARACTERS_MAX) return tooLong
  const isName = JOB_NAME.test(text)
  return isName ? undefined : 'is no name for a job: use a letter, then letters, digits, - _ .'
}

export const stepNameProblem: Check = (text) => {
  if (text.trim() === '') return 'is empty: name the step, or leave `name` out'
  return shortTextProblem(text)
}

export const labelKeyProblem: Check = (text) => {
  if (text.length > NAME_CHARACTERS_MAX) return tooLong
  const isKey = LABEL_KEY.test(text)
  return isKey ? undefined : 'is no label: use letters, digits, - _ . /'
}

export const labelValueProblem: Check = (text) => {
  if (text === '') return 'is empty: give the value that an agent must offer'
  return shortTextProblem(text)
}

export const platformProblem: Check = (text) => {
  const isPlatform = parsePlatform(text) !== undefined
  return isPlatform ? undefined : 'is no platform: write it as in linux/amd64 or linux/arm64'
}

export const imageProblem: Check = (text) => {
  if (text.length > IMAGE_CHARACTERS_MAX) {
    return `is too long: at most ${IMAGE_CHARACTERS_MAX} characters are allowed`
  }
  const isImage = imageParts(text) !== undefined
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
  const bytes = encoder.encode(text).length
  if (bytes > ENV_VALUE_BYTES_MAX) {
    return `has ${bytes} bytes, at most ${ENV_VALUE_BYTES_MAX} are allowed: put it into a file`
  }
  return argumentProblem(text)
}

/** The name of a group of jobs of which one runs at a time. */
export const groupProblem: Check = (text) => {
  if (text.trim() === '') return 'is empty: name the group'
  return lineProblem(text, GROUP_CHARACTERS_MAX)
}

/** One value of a matrix; it is in the name of its jobs. */
export const matrixValueProblem: Check = (text) => {
  if (text === '') return 'is empty: write a value, or leave it out'
  return lineProblem(text, MATRIX_VALUE_CHARACTERS_MAX)
}

/** The value of an input. */
export const inputValueProblem: Check = (text) => {
  const bytes = encoder.encode(text).length
  if (bytes > INPUT_BYTES_MAX) {
    return `has ${bytes} bytes, at most ${INPUT_BYTES_MAX} are allowed`
  }
  return argumentProblem(text)
}

const tooLong = `is too long: at most ${NAME_CHARACTERS_MAX} characters are allowed`

function shortTextProblem(text: string): string | undefined {
  return lineProblem(text, NAME_CHARACTERS_MAX)
}

function lineProblem(text: string, charactersMax: number): string | undefined {
  if (text.length > charactersMax) {
    return `is too long: at most ${charactersMax} characters are allowed`
  }
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
