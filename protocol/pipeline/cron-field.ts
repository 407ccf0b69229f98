import { quoted } from './problem.ts'

export type FieldName = 'minute' | 'hour' | 'day' | 'month' | 'weekday'

interface FieldKind {
  readonly name: FieldName
  readonly least: number
  readonly most: number
  /** Where a range without an end ends: Sunday is not counted twice. */
  readonly end: number
  /** Names of values from `least` on. */
  readonly words: readonly string[]
}

const MONTHS = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ')
const WEEKDAYS = 'sun mon tue wed thu fri sat'.split(' ')

/** In their order. Sunday is 0, and 7 as well. */
export const FIELDS: readonly FieldKind[] = [
  { name: 'minute', least: 0, most: 59, end: 59, words: [] },
  { name: 'hour', least: 0, most: 23, end: 23, words: [] },
  { name: 'day', least: 1, most: 31, end: 31, words: [] },
  { name: 'month', least: 1, most: 12, end: 12, words: MONTHS },
  { name: 'weekday', least: 0, most: 7, end: 6, words: WEEKDAYS }
]

export interface CronField {
  readonly values: ReadonlySet<number>
  /** Begins with a star, and so says nothing, or a step alone. */
  readonly hasStar: boolean
}

export type ParsedField =
  | { readonly kind: 'field'; readonly field: CronField }
  | { readonly kind: 'problem'; readonly text: string }

/** `*`, `5`, `1-5`, each with a step as in `0-30/10`, and lists of them. */
export function parseField(kind: FieldKind, text: string): ParsedField {
  const values = new Set<number>()
  for (const item of text.split(',')) {
    const found = itemValues(kind, item)
    if (typeof found === 'string') return { kind: 'problem', text: found }
    for (const value of found) values.add(kind.name === 'weekday' ? value % 7 : value)
  }
  return { kind: 'field', field: { values, hasStar: text.startsWith('*') } }
}

const ITEM = /^(?:(\*)|([0-9]{1,3}|[a-z]{3})(?:-([0-9]{1,3}|[a-z]{3}))?)(?:\/([0-9]{1,3}))?$/

function itemValues(kind: FieldKind, item: string): readonly number[] | string {
  const match = ITEM.exec(item.toLowerCase())
  if (match === null) {
    return `has ${quoted(item)} as its ${kind.name}: write it as in *, ${kind.least}, 1-5 or */2`
  }
  const [, star, first = '', last, step] = match
  const from = star === undefined ? numberOf(kind, first) : kind.least
  // Where a step follows, a value alone is the beginning.
  const open = star !== undefined || step !== undefined
  const to = last === undefined ? (open ? kind.end : from) : numberOf(kind, last)
  for (const [value, word] of [
    [from, first],
    [to, last]
  ] as const) {
    if (value === undefined || value < kind.least || value > kind.most) {
      return `has ${quoted(word ?? item)} as its ${kind.name}: ${kind.least} to ${kind.most} are allowed`
    }
  }
  return stepped(kind, item, { from: from ?? 0, to: to ?? 0, step: Number(step ?? 1) })
}

interface Range {
  readonly from: number
  readonly to: number
  readonly step: number
}

function stepped(
  { name, most }: FieldKind,
  item: string,
  range: Range
): readonly number[] | string {
  const { from, to, step } = range
  if (from > to) return `has ${quoted(item)} as its ${name}: it begins after its end`
  if (step < 1 || step > most)
    return `has a step of ${step} in its ${name}: 1 to ${most} are allowed`
  const count = Math.floor((to - from) / step) + 1
  return Array.from({ length: count }, (_, index) => from + index * step)
}

function numberOf({ words, least }: FieldKind, text: string): number | undefined {
  if (/^[0-9]+$/.test(text)) return Number(text)
  const index = words.indexOf(text)
  return index < 0 ? undefined : index + least
}
