import { z } from 'zod'
import { NAME_CHARACTERS_MAX } from '../core/limits.ts'
import {
  MATRIX_AXES_MAX,
  MATRIX_COMBINATIONS_MAX,
  MATRIX_EXCLUDES_MAX,
  MATRIX_VALUES_MAX
} from '../core/pipeline-limits.ts'
import { type Path, quoted } from './problem.ts'
import { text } from './shapes.ts'
import { nearest } from './suggestion.ts'
import { type Check, matrixValueProblem, platformProblem } from './text.ts'

/** One value of each axis, in their order. */
export type Combination = Readonly<Record<string, string>>

const AXIS_NAME = /^[A-Za-z_][A-Za-z0-9_-]*$/
/** The axis that sets the platform of its jobs. */
export const PLATFORM_AXIS = 'platform'

// A number stands there as it is written: 22.10 is not 22.1.
const value = text(matrixValueProblem).meta({ type: ['string', 'number'] })
const values = z.array(value).min(1, 'has no values: add one').max(MATRIX_VALUES_MAX)
const excluded = z
  .record(z.string(), value)
  .refine((entry) => Object.keys(entry).length > 0, 'takes nothing away: name a value of an axis')
  .meta({ minProperties: 1 })

const include = z
  .unknown()
  .refine(() => false, 'is not taken: list the values of an axis, or write a job of its own')
  .meta({ not: {} })

/** `matrix` of a job: its combinations, in the order of the file, the last axis changing first. */
export const matrix = z
  .object({
    exclude: z.array(excluded).max(MATRIX_EXCLUDES_MAX).optional(),
    include: include.optional()
  })
  .catchall(values)
  .superRefine((found, context) => {
    for (const { path, message } of problemsOf(axesOf(found), found.exclude ?? [])) {
      context.addIssue({ code: 'custom', message, path: [...path], input: found })
    }
  })
  .transform((found) => combinations(axesOf(found), found.exclude ?? []))
  .meta({ propertyNames: { pattern: AXIS_NAME.source }, minProperties: 1 })

const NO_AXES: ReadonlySet<string> = new Set(['exclude', 'include'])

type Axis = readonly [name: string, values: readonly string[]]

function axesOf(found: Readonly<Record<string, unknown>>): readonly Axis[] {
  return Object.entries(found).filter(
    (entry): entry is [string, string[]] => !NO_AXES.has(entry[0]) && Array.isArray(entry[1])
  )
}

interface Issue {
  readonly path: Path
  readonly message: string
}

function problemsOf(axes: readonly Axis[], exclude: readonly Combination[]): readonly Issue[] {
  const issues = [
    ...axes.slice(0, MATRIX_AXES_MAX).flatMap(([name, list]) => axisIssues(name, list)),
    // Lists that are too long come here as well, and are told elsewhere.
    ...exclude
      .slice(0, MATRIX_EXCLUDES_MAX)
      .flatMap((entry, index) => excludeIssues(entry, index, new Map(axes)))
  ]
  if (axes.length === 0) issues.push({ path: [], message: 'has no axis: add one with its values' })
  if (axes.length > MATRIX_AXES_MAX) {
    const message = `has ${axes.length} axes: at most ${MATRIX_AXES_MAX} are allowed`
    issues.push({ path: [], message })
  }
  if (issues.length > 0) return issues
  // Before anything is made of it: a few short lists can mean more than there is memory for.
  const product = axes.reduce((count, [, list]) => count * list.length, 1)
  if (product > MATRIX_COMBINATIONS_MAX) {
    const limit = `at most ${MATRIX_COMBINATIONS_MAX} are allowed, \`exclude\` not counted`
    return [{ path: [], message: `has ${product} combinations: ${limit}` }]
  }
  const taken = exclude.slice(0, MATRIX_EXCLUDES_MAX)
  // What is empty is told elsewhere.
  const isWhole = product > 0 && taken.every((entry) => Object.keys(entry).length > 0)
  if (!isWhole || combinations(axes, taken).length > 0) return []
  return [{ path: ['exclude'], message: 'takes every combination away: leave one' }]
}

const axisNameProblem: Check = (name) => {
  if (name.length > NAME_CHARACTERS_MAX) {
    return `is too long: at most ${NAME_CHARACTERS_MAX} characters are allowed`
  }
  return AXIS_NAME.test(name) ? undefined : 'is no name for an axis: use letters, digits, - and _'
}

function axisIssues(name: string, list: readonly string[]): readonly Issue[] {
  const wrong = axisNameProblem(name)
  if (wrong !== undefined) return [{ path: [name], message: `${quoted(name)} ${wrong}` }]
  const seen = new Set<string>()
  return list.flatMap((each, index) => {
    const message = seen.has(each)
      ? 'is there twice: remove one'
      : name === PLATFORM_AXIS
        ? platformProblem(each)
        : undefined
    seen.add(each)
    return message === undefined ? [] : [{ path: [name, index], message }]
  })
}

function excludeIssues(
  entry: Combination,
  index: number,
  axes: ReadonlyMap<string, readonly string[]>
): readonly Issue[] {
  const entries = Object.entries(entry)
  return entries.slice(0, MATRIX_AXES_MAX + 1).flatMap(([name, wanted]) => {
    const path = ['exclude', index, name]
    const list = axes.get(name)
    if (list === undefined) {
      const names = index < EXCLUDES_EXPLAINED ? [...axes.keys()].slice(0, MATRIX_AXES_MAX) : []
      const close = nearest(name, names)
      const way = close === undefined ? 'name an axis of the matrix' : `did you mean \`${close}\`?`
      return [{ path, message: `excludes by an axis that the matrix has not: ${way}` }]
    }
    if (list.includes(wanted)) return []
    const message = 'is no value of that axis, and excludes nothing: write one that is'
    return [{ path, message }]
  })
}

/** Entries of an `exclude` whose axes are guessed at. */
const EXCLUDES_EXPLAINED = 4

function combinations(
  axes: readonly Axis[],
  exclude: readonly Combination[]
): readonly Combination[] {
  let all: readonly Combination[] = [{}]
  for (const [name, list] of axes) {
    all = all.flatMap((combination) => list.map((each) => ({ ...combination, [name]: each })))
  }
  return all.filter((combination) => !exclude.some((entry) => isPart(entry, combination)))
}

function isPart(entry: Combination, combination: Combination): boolean {
  return Object.entries(entry).every(([name, wanted]) => combination[name] === wanted)
}

/** `build (linux/amd64, 22)`, each once and short enough for a job's name. */
export function entryNames(
  job: string,
  entries: readonly (Combination | undefined)[]
): readonly string[] {
  const seen = new Set<string>()
  return entries.map((entry, index) => {
    if (entry === undefined) return job
    const whole = `${job} (${Object.values(entry).join(', ')})`
    if (whole.length <= NAME_CHARACTERS_MAX && !seen.has(whole)) {
      seen.add(whole)
      return whole
    }
    const end = `… #${index + 1})`
    return `${cut(whole, NAME_CHARACTERS_MAX - end.length)}${end}`
  })
}

// Half a character would be none.
function cut(whole: string, length: number): string {
  return whole.slice(0, length).replace(/[\ud800-\udbff]$/, '')
}
