import { starsIn } from '../core/glob.ts'
import { GLOB_CHARACTERS_MAX } from '../core/limits.ts'
import { PIPELINE_STARS_MAX } from '../core/pipeline-limits.ts'

/** What is wrong with a branch pattern, with the way out; undefined for a good one. */
export function globProblem(pattern: string): string | undefined {
  if (pattern === '') return 'is empty: use * for every branch without a slash, ** for all'
  return namePatternProblem(pattern, 'branch')
}

/** What is wrong with the pattern of a tag, with the way out. */
export function tagGlobProblem(pattern: string): string | undefined {
  if (pattern === '') return 'is empty: use * for every tag without a slash, ** for all'
  return namePatternProblem(pattern, 'tag')
}

function namePatternProblem(pattern: string, what: 'branch' | 'tag'): string | undefined {
  const problem = lengthProblem(pattern) ?? starProblem(pattern)
  if (problem !== undefined) return problem
  const names = what === 'branch' ? 'branches' : 'tags'
  if (pattern.startsWith('!')) return `excludes: list the ${names} that are wanted instead`
  if (pattern.startsWith('refs/')) {
    return `is a ref: write the ${what} alone, as in ${what === 'branch' ? 'main' : 'v1'}`
  }
  // Git refuses such names, so that the pattern could never match.
  const isName = !/[\s~^:\p{Cc}]|\.\.|@\{|\/\/|^\/|\/$|^-/u.test(pattern)
  return isName ? undefined : `can match no ${what}: Git allows no such name`
}

/** What is wrong with the name of one branch, with the way out. */
export function branchProblem(name: string): string | undefined {
  if (name.includes('*')) return 'is a pattern: name one branch'
  return globProblem(name)
}

/** What is wrong with the pattern of a path, with the way out; one that begins with ! excludes. */
export function pathGlobProblem(text: string): string | undefined {
  const pattern = text.startsWith('!') ? text.slice(1) : text
  if (pattern === '') return 'is empty: use ** for every path'
  const problem = lengthProblem(pattern) ?? starProblem(pattern)
  if (problem !== undefined) return problem
  if (pattern.startsWith('!')) return 'excludes twice: write one !'
  if (pattern.endsWith('/')) return 'is a folder, and files change: add ** at its end'
  const isPath = !/\p{Cc}|\/\/|^\/|^\.\/|(?:^|\/)\.\.?(?:\/|$)/u.test(pattern)
  return isPath ? undefined : 'can match no path: write it from the root, as in src/**'
}

/** What is wrong with patterns of paths together, with the way out. */
export function pathGlobsProblem(patterns: readonly string[]): string | undefined {
  // Nothing could be taken away from nothing.
  const [first = ''] = patterns
  if (first.startsWith('!'))
    return 'begin with one that excludes: write first what is wanted, as **'
  return starsProblem(patterns)
}

/** What is wrong with patterns together, with the way out. */
export function starsProblem(patterns: readonly string[]): string | undefined {
  const stars = starsIn(patterns)
  if (stars <= PIPELINE_STARS_MAX) return undefined
  return `have ${stars} stars: at most ${PIPELINE_STARS_MAX} are allowed together`
}

function lengthProblem(pattern: string): string | undefined {
  if (pattern.length <= GLOB_CHARACTERS_MAX) return undefined
  return `is too long: at most ${GLOB_CHARACTERS_MAX} characters are allowed`
}

function starProblem(pattern: string): string | undefined {
  if (/[?[\]{}\\]/.test(pattern)) return 'uses more than * and **: nothing else has a meaning'
  return pattern.includes('***') ? 'has more than two * in a row: use * or **' : undefined
}
