import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { entryNames } from '../../../protocol/pipeline/matrix.ts'
import { errorsOf, field, goodPipeline, jobsOf, withJob } from '../../support/pipeline.ts'

const STEPS = 'steps: [{ run: make }]'
const namesOf = (matrix: string): readonly string[] =>
  jobsOf(goodPipeline(withJob(STEPS, `matrix: ${matrix}`))).map(({ name }) => name)

test('a matrix makes one job for each combination, the last axis changing first', () => {
  expect(namesOf("{ os: [a, b], node: ['22', '24'] }")).toEqual([
    'build (a, 22)',
    'build (a, 24)',
    'build (b, 22)',
    'build (b, 24)'
  ])
})

test('numbers are what is written', () => {
  expect(namesOf('{ node: [22, 22.10, 0x1F, 1e3, -0] }')).toEqual([
    'build (22)',
    'build (22.10)',
    'build (0x1F)',
    'build (1e3)',
    'build (-0)'
  ])
})

test('numbers behind an alias are what is written, too', () => {
  const pipeline = goodPipeline(
    `jobs:\n  a: { image: x, matrix: &m { v: &l [1.0, 2.50], w: *l }, ${STEPS} }\n` +
      `  b: { image: x, matrix: *m, ${STEPS} }`
  )
  expect(jobsOf(pipeline).map(({ matrix }) => matrix)).toEqual(
    [1, 2].flatMap(() => ['1.0', '2.50'].flatMap((v) => ['1.0', '2.50'].map((w) => ({ v, w }))))
  )
})

test('exclude takes combinations away, by one value or several', () => {
  const exclude = 'exclude: [{ os: b, node: 22 }, { os: c }]'
  expect(namesOf(`{ os: [a, b, c], node: [22, 24], ${exclude} }`)).toEqual([
    'build (a, 22)',
    'build (a, 24)',
    'build (b, 24)'
  ])
})

test('the axis platform sets the platform of its jobs', () => {
  const file = withJob(
    STEPS,
    'platform: linux/386',
    'matrix: { platform: [linux/amd64, linux/arm64] }',
    `env: { P: '${field('platform')}' }`
  )
  expect(jobsOf(goodPipeline(file)).map(({ platform, env }) => [platform, env['P']])).toEqual([
    ['linux/amd64', 'linux/amd64'],
    ['linux/arm64', 'linux/arm64']
  ])
})

test('its values are filled in wherever fields may stand', () => {
  const v = field('matrix.v')
  const file = withJob(
    `steps: [{ name: 'test ${v}', run: make }]`,
    `image: 'node:${v}-trixie'`.replace('image', 'env: { A').concat(' }'),
    `labels: { node: '${v}' }`,
    `prefer: { labels: { cache: 'node-${v}' } }`,
    `concurrency: 'group-${v}'`,
    `services: { db: { image: 'postgres:${v}', env: { V: '${v}${v}' } } }`,
    'matrix: { v: [17] }'
  )
  expect(jobsOf(goodPipeline(file))).toMatchObject([
    {
      name: 'build (17)',
      env: { A: 'node:17-trixie' },
      labels: { node: '17' },
      prefer: { cache: 'node-17' },
      concurrency: { group: 'group-17', cancelSuperseded: false },
      services: [{ image: 'postgres:17', env: { V: '1717' } }],
      steps: [{ name: 'test 17' }],
      matrix: { v: '17' }
    }
  ])
})

describe('is refused', () => {
  test.each([
    ['no axis', '{}', '5:13: jobs.build.matrix: has no axis'],
    ['an axis without values', '{ a: [] }', '5:18: jobs.build.matrix.a: has no values: add one'],
    ['an axis that is no list', '{ a: 1 }', '5:18: jobs.build.matrix.a: expected a list'],
    ['a value that is true', '{ a: [true] }', '.a[0]: expected text, found true: put it in quotes'],
    ['a value that is a list', '{ a: [[1]] }', '.a[0]: expected text, found a list'],
    ['a value twice', '{ a: [1, 2, 1] }', '5:25: jobs.build.matrix.a[2]: "1" is there twice'],
    ['a field in a value', `{ a: ['${field('event.branch')}'] }`, 'nothing is filled in here'],
    ['include', '{ a: [1], include: [{ a: 2 }] }', '5:32: jobs.build.matrix.include: is not taken'],
    ['an axis with a bad name', '{ 1a: [1] }', '"1a" is no name for an axis'],
    ['a bad platform', '{ platform: [arm64] }', '.platform[0]: "arm64" is no platform'],
    ['an unknown axis', '{ node: [1], exclude: [{ nod: 1 }] }', 'did you mean `node`?'],
    ['an unknown value', '{ a: [1], exclude: [{ a: 2 }] }', '.exclude[0].a: "2" is no value of'],
    ['an empty exclude', '{ a: [1], exclude: [{}] }', 'takes nothing away'],
    ['exclude of all', '{ a: [1], exclude: [{ a: 1 }] }', 'takes every combination away'],
    ['nine axes', axes(9, 1), 'has 9 axes: at most 8 are allowed'],
    ['a product beyond all memory', axes(8, 200), 'combinations: at most 1024 are allowed'],
    ['257 values', axes(1, 257), 'too many entries: at most 256']
  ])('%s', (_what, matrix, problem) => {
    expect(errorsOf(withJob(STEPS, `matrix: ${matrix}`))[0]).toContain(problem)
  })

  test('a run of more than 256 jobs, at the matrix that is too much', () => {
    const job = (values: number) => `{ image: x, matrix: ${axes(1, values)}, ${STEPS} }`
    const file = (values: number) => `jobs:\n  a: ${job(200)}\n  b: ${job(values)}`
    expect(jobsOf(goodPipeline(file(56)))).toHaveLength(256)
    expect(errorsOf(file(57))[0]).toContain('3:18: jobs.b.matrix: has too many entries: with its')
  })

  test('jobs that are too large together, before they are all made', () => {
    const run = 'x'.repeat(60_000)
    const file = withJob(`steps: [{ run: ${run} }]`, `matrix: ${axes(1, 256)}`)
    expect(errorsOf(file)[0]).toContain('at most 786432 are allowed')
  })

  test('a value that makes a text wrong, at that text', () => {
    const file = withJob(STEPS, 'matrix: { v: [good, Not Good] }').replace(
      'debian:13',
      `'debian:${field('matrix.v')}'`
    )
    expect(errorsOf(file)).toEqual([
      expect.stringContaining('3:12: jobs.build.image: "debian:Not Good" is no image')
    ])
  })
})

function axes(count: number, values: number): string {
  const list = Array.from({ length: values }, (_, index) => index).join(', ')
  return `{ ${Array.from({ length: count }, (_, index) => `a${index}: [${list}]`).join(', ')} }`
}

test('names are at most 100 characters and never the same', () => {
  const texts = fc.stringMatching(/^[ab, 😀]{1,60}$/u)
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(texts, texts), {
        maxLength: 12,
        selector: (pair) => pair.join('\0')
      }),
      (pairs) => {
        const names = entryNames(
          'build',
          pairs.map(([a, b]) => ({ a, b }))
        )
        expect(new Set(names).size).toBe(pairs.length)
        for (const name of names) {
          expect(name.length).toBeLessThanOrEqual(100)
          expect(name).not.toMatch(/\p{Cs}/u)
        }
      }
    ),
    { numRuns: 300 }
  )
})

test('any matrix makes as many jobs as combinations remain, each of its own', () => {
  const values = fc.uniqueArray(fc.stringMatching(/^[a-z0-9.]{1,3}$/), {
    minLength: 1,
    maxLength: 4
  })
  const matrices = fc.dictionary(fc.stringMatching(/^[a-d]$/), values, { minKeys: 1, maxKeys: 4 })
  fc.assert(
    fc.property(matrices, fc.nat(), (matrix, seed) => {
      const axis = Object.keys(matrix)[seed % Object.keys(matrix).length] ?? ''
      const list = matrix[axis] ?? []
      const gone = list[seed % list.length] ?? ''
      const exclude = list.length > 1 ? [{ [axis]: gone }] : []
      const file = stringify({
        jobs: { build: { image: 'x', matrix: { ...matrix, exclude }, steps: [{ run: 'make' }] } }
      })
      const product = Object.values(matrix).reduce((count, each) => count * each.length, 1)
      const left = exclude.length === 0 ? product : product - product / list.length
      const made = jobsOf(goodPipeline(file)).map((job) => JSON.stringify(job.matrix))

      expect(made).toHaveLength(left)
      expect(new Set(made).size).toBe(left)
      if (exclude.length > 0) {
        expect(made.some((each) => each.includes(`"${axis}":"${gone}"`))).toBe(false)
      }
    }),
    { numRuns: 200 }
  )
})
