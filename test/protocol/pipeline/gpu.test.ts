import { describe, expect, test } from 'vitest'
import { errorsOf, field, goodPipeline, jobsOf, withJob } from '../../support/pipeline.ts'

const STEPS = 'steps: [{ run: make }]'

function requestOf(gpu: string) {
  return jobsOf(goodPipeline(withJob(`resources: { gpu: ${gpu} }`, STEPS)))[0]?.gpu
}

function problemsOf(gpu: string, ...lines: readonly string[]): readonly string[] {
  return errorsOf(withJob(...lines, `resources: { gpu: ${gpu} }`, STEPS))
}

test('a job that says nothing of GPUs asks for none, and one that says nothing else for one', () => {
  expect(jobsOf(goodPipeline(withJob(STEPS)))[0]).not.toHaveProperty('gpu')
  expect(requestOf('{}')).toStrictEqual({ count: 1 })
})

test('all that a job may say of its GPUs reaches its spec', () => {
  const words = "count: 2, vendor: nvidia, model: '*A4000*', memory: 16GiB, numa: same, share: 1/4"
  expect(requestOf(`{ ${words}, compute_capability: '8.6', mig: 1g.10gb }`)).toStrictEqual({
    count: 2,
    vendor: 'nvidia',
    model: '*A4000*',
    memoryBytes: 17_179_869_184,
    computeTenths: 86,
    mig: '1g.10gb',
    sameNuma: true,
    shareOf: 4
  })
  expect(requestOf('{ vendor: amd, gfx: gfx942, numa: any, share: exclusive }')).toStrictEqual({
    count: 1,
    vendor: 'amd',
    gfx: 'gfx942'
  })
})

test('a matrix may choose between GPUs, and each of its jobs asks for its own', () => {
  const text = withJob(
    'matrix: { vendor: [nvidia, amd], share: [1/2, exclusive] }',
    `resources: { gpu: { vendor: '${field('matrix.vendor')}', share: '${field('matrix.share')}' } }`,
    STEPS
  )
  expect(jobsOf(goodPipeline(text)).map(({ gpu }) => gpu)).toEqual([
    { count: 1, vendor: 'nvidia', shareOf: 2 },
    { count: 1, vendor: 'nvidia' },
    { count: 1, vendor: 'amd', shareOf: 2 },
    { count: 1, vendor: 'amd' }
  ])
})

describe('what is wrong is told with its place and the way out:', () => {
  test.each([
    ['{ vendor: nvdia }', 'vendor', 'is no vendor of GPUs: did you mean `nvidia`?'],
    ['{ vendor: matrox }', 'vendor', 'is no vendor of GPUs: write nvidia, amd, intel'],
    ['{ modle: a }', 'modle', 'unknown key `modle`: did you mean `model`?'],
    ['{ count: 17 }', 'count', 'write a whole number from 1 to 16'],
    ['{ model: ä }', 'model', 'can match no model'],
    ['{ memory: 16 }', 'memory', 'has no unit'],
    ['{ compute_capability: 8.0 }', 'compute_capability', "write it in quotes, as in '8.0'"],
    ['{ gfx: gfx9 }', 'gfx', 'is no gfx version: write it as in gfx942'],
    ["{ mig: 'MIG 1g' }", 'mig', 'is no MIG profile: write it as in 1g.10gb'],
    ['{ numa: 0 }', 'numa', 'expected text'],
    ['{ numa: one }', 'numa', 'write same, for GPUs on one node, or any'],
    ['{ share: 1/17 }', 'share', 'write exclusive, or 1/2 to 1/16'],
    ['{ share: 0.25 }', 'share', 'expected text'],
    ['{ vendor: amd, mig: 1g.10gb }', 'mig', 'is of NVIDIA alone, and vendor is amd: remove one'],
    ['{ vendor: intel, gfx: gfx942 }', 'gfx', 'is of AMD alone, and vendor is intel: remove one'],
    ["{ gfx: gfx942, compute_capability: '9.0' }", 'gfx', 'is of AMD alone']
  ])('%s', (gpu, key, message) => {
    const [problem = ''] = problemsOf(gpu)
    expect(problem).toContain(`jobs.build.resources.gpu.${key}`)
    expect(problem).toContain(message)
    expect(problem).toMatch(/^4:\d+/)
  })

  test('a value of a matrix that makes a GPU of two vendors', () => {
    const matrix = 'matrix: { vendor: [nvidia, amd] }'
    const [problem = ''] = problemsOf(
      `{ vendor: '${field('matrix.vendor')}', gfx: gfx942 }`,
      matrix
    )
    expect(problem).toContain('is of AMD alone, and vendor is nvidia: remove one')
  })

  test('GPUs of a service: it has none', () => {
    const service = 'services: { db: { image: x, resources: { gpu: {} } } }'
    const [problem = ''] = errorsOf(withJob(service, STEPS))
    expect(problem).toContain('`gpu` is no key in `resources` of a service')
  })
})
