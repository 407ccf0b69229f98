import fc from 'fast-check'
import { expect, test } from 'vitest'
import { needsProblem } from '../../../protocol/core/needs.ts'
import { needsProblems } from '../../../protocol/pipeline/needs.ts'
import { errorsOf, goodPipeline, jobsOf } from '../../support/pipeline.ts'

const REST = 'image: x, steps: [{ run: make }]'
const fileOf = (...jobs: readonly string[]): string =>
  ['jobs:', ...jobs.map((job) => `  ${job.replace('{', `{ ${REST},`)}`)].join('\n')

test('needs are the indices of all jobs of what is named, ascending', () => {
  const file = fileOf(
    'publish: { needs: [test, lint] }',
    'lint: { env: {} }',
    'test: { matrix: { node: [22, 24] }, needs: [lint] }'
  )
  expect(jobsOf(goodPipeline(file)).map(({ name, needs }) => [name, needs])).toEqual([
    ['publish', [1, 2, 3]],
    ['lint', undefined],
    ['test (22)', [1]],
    ['test (24)', [1]]
  ])
})

test.each([
  [
    'an unknown job',
    ['a: { needs: [xyz] }'],
    '2:50: jobs.a.needs[0]: no job "xyz": the jobs are "a"'
  ],
  ['a misspelled one', ['lint: {}', 'a: { needs: [lnt] }'], 'no job "lnt": did you mean `lint`?'],
  ['one twice', ['b: {}', 'a: { needs: [b, b] }'], 'jobs.a.needs[1]: "b" is there twice'],
  ['itself', ['a: { needs: [a] }'], 'jobs.a.needs[0]: is a cycle: a needs a; remove one of them'],
  [
    'a cycle',
    ['a: { needs: [b] }', 'b: { needs: [c] }', 'c: { needs: [b] }'],
    'jobs.b.needs[0]: is a cycle: b needs c needs b; remove one of them'
  ],
  ['a text', ['a: { needs: a }'], 'jobs.a.needs: expected a list, found the text "a"']
])('%s is an error', (_what, jobs, problem) => {
  expect(errorsOf(fileOf(...jobs))[0]).toContain(problem)
})

test('a cycle of 256 jobs is told in one short message', () => {
  const jobs = Array.from(
    { length: 256 },
    (_, index) => `j${index}: { needs: [j${(index + 1) % 256}] }`
  )
  const errors = errorsOf(fileOf(...jobs))
  expect(errors).toHaveLength(1)
  expect(errors[0]).toContain('j0 needs j1 needs j2')
  expect(errors[0]).toContain('needs j255 needs j0; remove')
})

test('whatever jobs need of each other is good here exactly where an announcement takes it', () => {
  const graphs = fc.integer({ min: 1, max: 8 }).chain((count) =>
    fc.array(fc.uniqueArray(fc.nat(count - 1), { maxLength: 3 }), {
      minLength: count,
      maxLength: count
    })
  )
  fc.assert(
    fc.property(graphs, (graph) => {
      const jobs = Object.fromEntries(
        graph.map((needs, index) => [`j${index}`, { needs: needs.map((need) => `j${need}`) }])
      )
      const specs = graph.map((needs, index) => ({
        index,
        name: `j${index}`,
        needs: needs.toSorted((a, b) => a - b)
      }))
      expect(needsProblems(jobs).length === 0).toBe(needsProblem(specs) === undefined)
    }),
    { numRuns: 500 }
  )
})
