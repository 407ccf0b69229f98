import { INPUTS_MAX } from '../core/graph-limits.ts'
import { MATRIX_AXES_MAX } from '../core/pipeline-limits.ts'
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
  readonly axes: ReadonlySet<string>
  readonly inputs: ReadonlySet<string>
  /** True where the file says which platform the job is for. */
  readonly hasPlatform: boolean
}

/** What is wrong with a field of that name, with the way out. */
export function fieldProblem(name: string, known: KnownFields): string | undefined {
  if (isKnown(name, known)) return undefined
  if (name === 'platform') return 'has the field platform, and the job names none: add `platform`'
  const [root = ''] = name.split('.')
  const hint = HINTS[root]
  if (Object.hasOwn(HINTS, root) && hint !== undefined) {
    return `has the unknown field ${quoted(name)}: ${hint}`
  }
  const names = namesOf(known)
  const close = nearest(name, names)
  if (close !== undefined)
    return `has the unknown field ${quoted(name)}: did you mean \`${close}\`?`
  const shown = names.slice(0, NAMES_SHOWN_MAX).join(', ')
  return `has the unknown field ${quoted(name)}: the fields here are ${shown}`
}

const NAMES_SHOWN_MAX = 12

function isKnown(name: string, { axes, inputs, hasPlatform }: KnownFields): boolean {
  const [root, inner] = name.split('.')
  if (inner === undefined) return hasPlatform && root === 'platform'
  if (root === 'matrix') return axes.has(inner)
  if (root === 'inputs') return inputs.has(inner)
  return root === 'event' && EVENT_FIELDS.some((field) => field === inner)
}

/** As many as a good file has: of a bad one there may be thousands. */
function namesOf({ axes, inputs, hasPlatform }: KnownFields): readonly string[] {
  return [
    ...[...axes].slice(0, MATRIX_AXES_MAX).map((axis) => `matrix.${axis}`),
    ...[...inputs].slice(0, INPUTS_MAX).map((input) => `inputs.${input}`),
    ...EVENT_FIELDS.map((field) => `event.${field}`),
    ...(hasPlatform ? ['platform'] : [])
  ]
}

const HINTS: Readonly<Record<string, string>> = {
  secrets: 'name the secret in `secrets` of the job, and its steps have it as a variable',
  env: 'steps have `env` as variables, as in "$NAME"',
  hash: 'it is known but not built yet; remove it'
}
