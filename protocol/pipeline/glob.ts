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

/**
 * True when the whole `name` matches. `*` stands for anything but a slash, `**` for anything, and a
 * segment `**` followed by a slash for any number of segments, none included.
 */
export function matchesGlob(pattern: string, name: string): boolean {
  // One row of the table for each part: no pattern, however nested, costs more than its length.
  let reached = new Set([0])
  for (const part of partsOf(pattern)) {
    reached = advance(part, reached, name)
    if (reached.size === 0) return false
  }
  return reached.has(name.length)
}

function partsOf(pattern: string): readonly string[] {
  return pattern.match(/(?<![^/])\*\*\/|\*\*|\*|[^*]/g) ?? []
}

function advance(part: string, reached: ReadonlySet<number>, name: string): Set<number> {
  const next = new Set<number>()
  const first = Math.min(...reached)
  switch (part) {
    case '**':
      for (let at = first; at <= name.length; at += 1) next.add(at)
      return next
    case '**/':
      for (const at of reached) next.add(at)
      for (let at = first; at < name.length; at += 1) if (name[at] === '/') next.add(at + 1)
      return next
    case '*':
      return withinSegment(reached, name)
    default:
      for (const at of reached) if (name[at] === part) next.add(at + 1)
      return next
  }
}

function withinSegment(reached: ReadonlySet<number>, name: string): Set<number> {
  const next = new Set<number>()
  for (const start of reached) {
    for (let at = start; at <= name.length && !next.has(at); at += 1) {
      next.add(at)
      if (name[at] === '/') break
    }
  }
  return next
}
