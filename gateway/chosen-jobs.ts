import type { JobSpec } from '../protocol/core/run.ts'

/**
 * The jobs of these names and all that they need, as a run of their own: values are handed on
 * within one run alone, so that what is needed runs again. Empty where no job has such a name.
 */
export function chosenJobs(jobs: readonly JobSpec[], names: readonly string[]): readonly JobSpec[] {
  const byIndex = new Map(jobs.map((job) => [job.index, job]))
  const chosen = new Set<number>()
  const choose = (index: number): void => {
    if (chosen.has(index)) return
    chosen.add(index)
    for (const need of byIndex.get(index)?.needs ?? []) choose(need)
  }
  for (const { index, name } of jobs) if (names.includes(name)) choose(index)
  const kept = jobs.filter(({ index }) => chosen.has(index))
  const places = new Map(kept.map(({ index }, place) => [index, place]))
  return kept.map((job, index) => {
    if (job.needs === undefined) return { ...job, index }
    return { ...job, index, needs: job.needs.map((need) => places.get(need) ?? need) }
  })
}
