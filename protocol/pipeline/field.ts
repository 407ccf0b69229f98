import { quoted } from './problem.ts'
import { nearest } from './suggestion.ts'

/* Fields of texts: a name between `${{` and `}}`, replaced by its value. No code runs. */

export const FIELD_START = `$${'{{'}`
const FIELD_END = '}}'
const NAME = /^[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z_][A-Za-z0-9_-]*)?$/

/** What of the event may stand in a text, as `event.NAME`. */
export const EVENT_FIELDS = ['branch', 'tag', 'commit', 'number', 'kind', 'author'] as const
export type EventField = (typeof EVENT_FIELDS)[number]

/** True where a text has a field, or the beginning of one. */
export function hasField(text: string): boolean {
  return text.includes(FIELD_START)
}

/** Names of the fields in a text, or what is wrong with one, with the way out. */
export type Fields =
  | { readonly kind: 'names'; readonly names: readonly string[] }
  | { readonly kind: 'problem'; readonly text: string }

export function fieldsOf(text: string): Fields {
  const names: string[] = []
  for (let at = text.indexOf(FIELD_START); at >= 0; ) {
    const from = at + FIELD_START.length
    const end = text.indexOf(FIELD_END, from)
    if (end < 0) return problem(`has \`${FIELD_START}\` without its end: close it with }}`)
    const name = text.slice(from, end).trim()
    if (!NAME.test(name)) {
      return problem(`has ${quoted(name)} as a field: write one name, as matrix.node; no code runs`)
    }
    names.push(name)
    at = text.indexOf(FIELD_START, end + FIELD_END.length)
  }
  return { kind: 'names', names }
}

function problem(text: string): Fields {
  return { kind: 'problem', text }
}

/**
 * The text with the values of its fields; those without a value stay as they are. A value is never
 * looked at again: a branch may be called as a field is.
 */
export function render(text: string, fieldValue: (name: string) => string | undefined): string {
  let rendered = ''
  let from = 0
  for (let at = text.indexOf(FIELD_START); at >= 0; at = text.indexOf(FIELD_START, from)) {
    const end = text.indexOf(FIELD_END, at)
    if (end < 0) break
    const next = end + FIELD_END.length
    const value = fieldValue(text.slice(at + FIELD_START.length, end).trim())
    rendered += text.slice(from, at) + (value ?? text.slice(at, next))
    from = next
  }
  return rendered + text.slice(from)
}

/** The fields that a job's texts may have. */
export interface KnownFields {
  readonly axes: readonly string[]
  readonly inputs: readonly string[]
  /** True where the file says which platform the job is for. */
  readonly hasPlatform: boolean
}

/** What is wrong with a field of that name, with the way out. */
export function fieldProblem(name: string, known: KnownFields): string | undefined {
  const names = [
    ...known.axes.map((axis) => `matrix.${axis}`),
    ...known.inputs.map((input) => `inputs.${input}`),
    ...EVENT_FIELDS.map((field) => `event.${field}`),
    ...(known.hasPlatform ? ['platform'] : [])
  ]
  if (names.includes(name)) return undefined
  if (name === 'platform') return 'has the field platform, and the job names none: add `platform`'
  const [root = ''] = name.split('.')
  const hint = HINTS[root]
  if (Object.hasOwn(HINTS, root) && hint !== undefined) {
    return `has the unknown field ${quoted(name)}: ${hint}`
  }
  const close = nearest(name, names)
  if (close !== undefined)
    return `has the unknown field ${quoted(name)}: did you mean \`${close}\`?`
  const shown = names.slice(0, NAMES_SHOWN_MAX).join(', ')
  return `has the unknown field ${quoted(name)}: the fields here are ${shown}`
}

const NAMES_SHOWN_MAX = 12

const HINTS: Readonly<Record<string, string>> = {
  secrets: 'name the secret in `secrets` of the job, and its steps have it as a variable',
  env: 'steps have `env` as variables, as in "$NAME"',
  hash: 'it is known but not built yet; remove it'
}
