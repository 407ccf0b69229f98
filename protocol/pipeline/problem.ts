import { MESH_ERRORS } from '../core/errors.ts'
import {
  NAME_CHARACTERS_MAX,
  PIPELINE_PROBLEMS_MAX,
  QUOTED_CHARACTERS_MAX
} from '../core/limits.ts'
import type { ManifestError } from '../core/run.ts'

/** Keys and list indexes from the top of the file; empty for the file itself. */
export type Path = readonly (string | number)[]

/** Both from 1; the column counts UTF-16 units, as editors do. */
export interface Place {
  readonly line: number
  readonly column: number
}

/** One thing that is wrong, and where; `text` ends with the way out. */
export interface Problem {
  readonly place: Place
  readonly path: Path
  readonly text: string
}

/** By place, at most PIPELINE_PROBLEMS_MAX, each place and text once. */
export function inOrder(problems: readonly Problem[]): readonly Problem[] {
  const sorted = problems.toSorted(
    (a, b) => a.place.line - b.place.line || a.place.column - b.place.column
  )
  // Parts that jobs share through an alias are found wrong once for each job.
  const seen = new Set<string>()
  const distinct = sorted.filter(({ place, text }) => {
    const key = `${place.line}:${place.column}:${text}`
    return seen.has(key) ? false : seen.add(key)
  })
  return distinct.slice(0, PIPELINE_PROBLEMS_MAX)
}

export function toManifestError(problem: Problem, file: string): ManifestError {
  const { line, column } = problem.place
  const path = formatPath(problem.path)
  const facts = {
    file,
    line,
    column,
    path: path === '' ? 'top level' : path,
    problem: problem.text
  }
  return {
    code: 'PIPELINE_INVALID',
    message: MESH_ERRORS.PIPELINE_INVALID.message(facts),
    line,
    column,
    path: path === '' ? undefined : path
  }
}

/** The first of them in the file; there is always one. */
export function firstError(problems: readonly Problem[], file: string): ManifestError {
  const [problem = NO_PROBLEM] = inOrder(problems)
  return toManifestError(problem, file)
}

const NO_PROBLEM: Problem = { place: { line: 1, column: 1 }, path: [], text: 'not a pipeline file' }

/** `jobs.build.steps[2].run`; '' for the file itself. */
export function formatPath(path: Path): string {
  return path.map(formatSegment).join('').replace(/^\./, '')
}

function formatSegment(segment: string | number): string {
  if (typeof segment === 'number') return `[${segment}]`
  const isPlain = /^[A-Za-z_][A-Za-z0-9_-]*$/.test(segment) && segment.length <= NAME_CHARACTERS_MAX
  return isPlain ? `.${segment}` : `[${quoted(segment)}]`
}

/** A text from the file as a message may show it: short, one line, no control characters. */
export function quoted(text: string): string {
  const short =
    text.length <= QUOTED_CHARACTERS_MAX ? text : `${text.slice(0, QUOTED_CHARACTERS_MAX)}…`
  return JSON.stringify(short).replaceAll(INVISIBLE, '\u{fffd}')
}

const INVISIBLE = /[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu
