import type { JobSpec } from './run.ts'

type Needing = Pick<JobSpec, 'index' | 'name' | 'needs'>

/**
 * What is wrong with the `needs` of a run's jobs; undefined where they can all have their turn:
 * each names others of this run, ascending and once, and none waits for itself.
 */
export function needsProblem(jobs: readonly Needing[]): string | undefined {
  for (const { index, needs = [] } of jobs) {
    let last = -1
    for (const need of needs) {
      if (!Number.isSafeInteger(need) || need <= last || need >= jobs.length) {
        return `of job ${index} are not indices of ${jobs.length} jobs, ascending and once`
      }
      last = need
    }
  }
  const stuck = stuckJobs(jobs)
  return stuck.length === 0 ? undefined : `of jobs ${stuck.join(', ')} are a cycle`
}

/** Indices of the jobs that never have their turn: those on a cycle, and all that need them. */
function stuckJobs(jobs: readonly Needing[]): readonly number[] {
  const missing = jobs.map(({ needs = [] }) => needs.length)
  const dependants = jobs.map((): number[] => [])
  for (const [index, { needs = [] }] of jobs.entries()) {
    for (const need of needs) dependants[need]?.push(index)
  }
  const free = [...missing.keys()].filter((index) => missing[index] === 0)
  // A list that grows while it is walked: each job comes into it at most once.
  for (const done of free) {
    for (const index of dependants[done] ?? []) {
      missing[index] = (missing[index] ?? 0) - 1
      if (missing[index] === 0) free.push(index)
    }
  }
  const ended = new Set(free)
  return [...missing.keys()].filter((index) => !ended.has(index))
}
