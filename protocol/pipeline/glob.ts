import { GLOB_CHARACTERS_MAX } from '../core/limits.ts'

/** What is wrong with a branch pattern, with the way out; undefined for a good one. */
export function globProblem(pattern: string): string | undefined {
  if (pattern === '') return 'is empty: use * for every branch without a slash, ** for all'
  if (pattern.length > GLOB_CHARACTERS_MAX) {
    return `is too long: at most ${GLOB_CHARACTERS_MAX} characters are allowed`
  }
  if (pattern.startsWith('!')) return 'excludes: list the branches that are wanted instead'
  if (/[?[\]{}\\]/.test(pattern)) return 'uses more than * and **: nothing else has a meaning'
  if (pattern.includes('***')) return 'has more than two * in a row: use * or **'
  if (pattern.startsWith('refs/')) return 'is a ref: write the branch alone, as in main'
  // Git refuses such names, so that the pattern could never match.
  const isName = !/[\s~^:\p{Cc}]|\.\.|@\{|\/\/|^\/|\/$|^-/u.test(pattern)
  return isName ? undefined : 'can match no branch: Git allows no such name'
}
