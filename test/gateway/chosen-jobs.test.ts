import fc from 'fast-check'
import { expect, test } from 'vitest'
import { chosenJobs } from '../../gateway/chosen-jobs.ts'
import type { JobSpec } from '../../protocol/core/run.ts'

/** Jobs whose needs are earlier ones, as a pipeline's are. */
const graph = fc
  .array(fc.array(fc.nat(20), { maxLength: 4 }), { minLength: 1, maxLength: 12 })
  .map((rows) =>
    rows.map((row, index) => {
      const needs = [...new Set(row.filter((need) => need < index))].sort((a, b) => a - b)
      const spec = { index, name: `job-${index}`, ...(needs.length > 0 ? { needs } : {}) }
      return spec as unknown as JobSpec
    })
  )

function needed(jobs: readonly JobSpec[], name: string): ReadonlySet<string> {
  const found = new Set<string>()
  const walk = (job: JobSpec | undefined): void => {
    if (job === undefined || found.has(job.name)) return
    found.add(job.name)
    for (const need of job.needs ?? []) walk(jobs[need])
  }
  walk(jobs.find((job) => job.name === name))
  return found
}

test('what is wanted comes with all that it needs and nothing else, numbered from 0', () => {
  fc.assert(
    fc.property(graph, fc.nat(11), (jobs, pick) => {
      const name = `job-${pick % jobs.length}`

      const chosen = chosenJobs(jobs, [name])

      expect(new Set(chosen.map((job) => job.name))).toEqual(needed(jobs, name))
      expect(chosen.map((job) => job.index)).toEqual(chosen.map((_, index) => index))
      for (const job of chosen) {
        const before = jobs.find((each) => each.name === job.name)
        const names = (of: readonly JobSpec[], needs: readonly number[] = []): string[] =>
          needs.map((need) => of[need]?.name ?? '')
        expect(names(chosen, job.needs)).toEqual(names(jobs, before?.needs))
      }
    })
  )
})

test('a name that no job has chooses none', () => {
  expect(chosenJobs([{ index: 0, name: 'build' } as JobSpec], ['deploy'])).toEqual([])
})
