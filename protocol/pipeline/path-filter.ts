import { matchesGlob, starsIn } from '../core/glob.ts'
import { PATH_FILTER_STEPS_MAX } from '../core/pipeline-limits.ts'

/**
 * True where a change touches a path that the patterns want. The last pattern that fits a path
 * decides on it, so that `!` takes away from what stands before. Paths that are not known are
 * wanted, and those that would take too long to look at.
 */
export function selectsPaths(
  patterns: readonly string[] | undefined,
  paths: readonly string[] | undefined
): boolean {
  if (patterns === undefined || paths === undefined) return true
  const characters = paths.reduce((sum, path) => sum + path.length, 0)
  const steps = (starsIn(patterns) + patterns.length) * (characters + paths.length)
  if (steps > PATH_FILTER_STEPS_MAX) return true
  const newestFirst = patterns.toReversed().map((pattern) => {
    const isWanted = !pattern.startsWith('!')
    return { isWanted, glob: isWanted ? pattern : pattern.slice(1) }
  })
  return paths.some((path) => {
    return newestFirst.find(({ glob }) => matchesGlob(glob, path))?.isWanted ?? false
  })
}
