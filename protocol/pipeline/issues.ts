import type { z } from 'zod'
import { PIPELINE_PROBLEMS_MAX } from '../core/limits.ts'
import { contextOf, explainKey, KEYS } from './keys.ts'
import { formatPath, type Path, type Problem, quoted } from './problem.ts'
import { nearest } from './suggestion.ts'
import type { Tree } from './tree.ts'
import { asMap, valueAt, withValueAt } from './value.ts'

type Issue = z.core.$ZodIssue

/** What is wrong, in words and places of the file: what the schema found, and missing images. */
export function problemsOf(issues: readonly Issue[], tree: Tree): readonly Problem[] {
  const misspelled = misspelledPaths(issues)
  const isNews = (path: Path) => !misspelled.has(formatPath(path))
  // `stepz` is one mistake: that `steps` is missing as well would only hide it.
  const found = issues.filter(
    (issue) => (!isMissing(issue, tree) || isNews(toPath(issue.path))) && !isEcho(issue, issues)
  )
  const imageless = jobsWithoutImage(tree).filter((path) => isNews([...path, 'image']))
  return [
    ...imageless.map((path) => ({ place: tree.placeOfKey(path), path, text: NO_IMAGE })),
    ...found.flatMap((issue) => toProblems(issue, tree))
  ]
}

/** What is wrong with one entry of `jobs` once its fields have these values. */
export function filledProblems(
  issues: readonly Issue[],
  path: Path,
  filled: unknown,
  tree: Tree
): readonly Problem[] {
  const value = withValueAt(tree.value, path, filled)
  const found = issues.map((issue) => ({ ...issue, path: [...path, ...issue.path] }))
  return found.flatMap((issue) => toProblems(issue, { ...tree, value }))
}

/** That `on` starts nothing, where what it would start with is wrong itself. */
function isEcho({ code, path }: Issue, issues: readonly Issue[]): boolean {
  if (code !== 'custom' || path.length !== 1 || path[0] !== 'on') return false
  return issues.some((other) => other.code !== 'custom' && other.path[0] === 'on')
}

const NO_IMAGE = 'has no image: add `image` here or in `defaults`'

function misspelledPaths(issues: readonly Issue[]): ReadonlySet<string> {
  const meant = new Set<string>()
  for (const issue of issues) {
    const path = toPath(issue.path)
    const context = contextOf(path)
    if (issue.code !== 'unrecognized_keys' || context === undefined) continue
    for (const key of issue.keys.slice(0, PIPELINE_PROBLEMS_MAX)) {
      const close = nearest(key, KEYS[context].built)
      if (close !== undefined) meant.add(formatPath([...path, close]))
    }
  }
  return meant
}

function isMissing(issue: Issue, tree: Tree): boolean {
  return issue.code === 'invalid_type' && valueAt(tree.value, toPath(issue.path)) === undefined
}

// Apart from the schema, since an image may stand in either of two places.
function jobsWithoutImage(tree: Tree): readonly Path[] {
  if (valueAt(tree.value, ['defaults', 'image']) !== undefined) return []
  const jobs = asMap(valueAt(tree.value, ['jobs'])) ?? {}
  return Object.entries(jobs)
    .filter(([, job]) => asMap(job) !== undefined && asMap(job)?.['image'] === undefined)
    .map(([name]) => ['jobs', name])
}

function toProblems(issue: Issue, tree: Tree): readonly Problem[] {
  const path = toPath(issue.path)
  switch (issue.code) {
    case 'unrecognized_keys':
      // Keys come in the order of the file: those beyond the list that is shown cost only time.
      return issue.keys.slice(0, PIPELINE_PROBLEMS_MAX).map((key) => unknownKey(path, key, tree))
    case 'invalid_key':
      return issue.issues.map((each) => {
        const text = `${quoted(String(path.at(-1)))} ${each.message}`
        return { place: tree.placeOfKey(path), path, text }
      })
    default:
      return [{ place: tree.placeOf(path), path, text: describe(issue, valueAt(tree.value, path)) }]
  }
}

function unknownKey(path: Path, key: string, tree: Tree): Problem {
  const here = [...path, key]
  const context = contextOf(path)
  const text =
    context === undefined ? `unknown key ${quoted(key)}: remove it` : explainKey(context, key)
  return { place: tree.placeOfKey(here), path: here, text }
}

function describe(issue: Issue, found: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return describeType(issue.expected, found)
    case 'invalid_value': {
      const values = issue.values.map(String)
      const close = typeof found === 'string' ? nearest(found, values) : undefined
      if (close !== undefined) return `${quoted(String(found))}: did you mean \`${close}\`?`
      return `expected ${values.join(' or ')}, found ${nameOf(found)}`
    }
    case 'too_big':
      return `has too many entries: at most ${issue.maximum} are allowed`
    case 'custom':
    case 'too_small':
      return isShown(found) ? `${quoted(String(found))} ${issue.message}` : issue.message
    default:
      return `${issue.message}: see docs/pipeline.md`
  }
}

function describeType(expected: string, found: unknown): string {
  const wanted = EXPECTED[expected] ?? expected
  if (found === undefined) return `is missing: add ${wanted}`
  if (found === null) return `expected ${wanted}, found nothing: fill it in, or remove the key`
  if (expected === 'string' && (typeof found === 'number' || typeof found === 'boolean')) {
    return `expected text, found ${nameOf(found)}: put it in quotes`
  }
  return `expected ${wanted}, found ${nameOf(found)}`
}

const EXPECTED: Readonly<Record<string, string>> = {
  string: 'text',
  object: 'a map of keys',
  record: 'a map of keys',
  array: 'a list',
  number: 'a number',
  boolean: 'true or false'
}

// A script or a list as a whole would bury what is wrong with it.
function isShown(found: unknown): boolean {
  if (typeof found === 'number' || typeof found === 'boolean') return true
  return typeof found === 'string' && found !== '' && !found.includes('\n')
}

function nameOf(found: unknown): string {
  if (found === null || found === undefined) return 'nothing'
  if (Array.isArray(found)) return 'a list'
  if (typeof found === 'object') return 'a map'
  if (typeof found === 'string') return `the text ${quoted(found)}`
  return typeof found === 'number' ? `the number ${found}` : String(found)
}

function toPath(path: readonly PropertyKey[]): Path {
  return path.map((segment) => (typeof segment === 'number' ? segment : String(segment)))
}
