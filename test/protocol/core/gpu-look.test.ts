import { expect, test } from 'vitest'
import { GPUS_MAX } from '../../../protocol/core/gpu-limits.ts'
import { type GpuInUse, gpuLookProblem } from '../../../protocol/core/gpu-look.ts'
import { GPU_SHARES_MAX } from '../../../protocol/core/gpu-request-limits.ts'

const gpu = (more: Partial<GpuInUse> = {}): GpuInUse => ({ id: 'nvidia:GPU-1', jobs: [], ...more })
const jobs = (count: number) => Array.from({ length: count }, (_, at) => ({ job: `J.${at}` }))
const gpus = (count: number) => Array.from({ length: count }, (_, at) => gpu({ id: `amd:${at}-0` }))

test('what drivers say, and what they do not, may be said', () => {
  const known = gpu({ busyPercent: 100, memoryBytes: 0, powerWatts: 0, temperature: -5 })

  expect(gpuLookProblem({ ageMs: 0, gpus: [known, gpu({ id: 'amd:2-0' })] })).toBeUndefined()
  expect(gpuLookProblem({ ageMs: 0, gpus: gpus(GPUS_MAX) })).toBeUndefined()
  expect(gpuLookProblem({ ageMs: 0, gpus: [gpu({ jobs: jobs(GPU_SHARES_MAX) })] })).toBeUndefined()
})

test.each<readonly [string, readonly GpuInUse[]]>([
  ['is of no GPU', []],
  ['entries', gpus(GPUS_MAX + 1)],
  ['one id twice', [gpu(), gpu()]],
  ['an id that is none', [gpu({ id: 'other:1' })]],
  ['100 %', [gpu({ busyPercent: 101 })]],
  ['100 %', [gpu({ jobs: [{ job: 'J.0', busyPercent: 101 }] })]],
  ['temperature', [gpu({ temperature: 4_000 })]],
  ['jobs of one GPU', [gpu({ jobs: jobs(GPU_SHARES_MAX + 1) })]],
  ['one job twice', [gpu({ jobs: [...jobs(1), ...jobs(1)] })]]
])('what may not be so has a problem: %s', (problem, said) => {
  expect(gpuLookProblem({ ageMs: 0, gpus: said })).toContain(problem)
})
