import { describe, expect, test } from 'vitest'
import {
  gpusHeldOf,
  holdGpus,
  keepGpus,
  ledgerOf,
  release,
  releaseKept,
  reserve
} from '../../../protocol/core/capacity.ts'
import { GPUS_MAX } from '../../../protocol/core/gpu-limits.ts'
import { GPU_SHARES_MAX, GPU_WHOLE } from '../../../protocol/core/gpu-request-limits.ts'
import { gpusHeldProblem, gpuTermsProblem, usesOf } from '../../../protocol/core/gpu-terms.ts'

const GIB = 2 ** 30
const ROOM = { cpuMilli: 64_000, memoryBytes: 64 * GIB, diskBytes: 640 * GIB, jobs: 64 }
const SMALL = { cpuMilli: 1, memoryBytes: 1, diskBytes: 1 }

test('a ledger refuses GPUs that are held, whoever chose them', () => {
  const whole = { id: 'nvidia:GPU-0', units: GPU_WHOLE }
  const half = { id: 'nvidia:GPU-0', units: GPU_WHOLE / 2 }
  const part = { id: 'nvidia:MIG-0', units: GPU_WHOLE, parent: 'nvidia:GPU-0' }
  const ledger = reserve(ledgerOf(ROOM), 'R.0', SMALL, [whole]).ledger
  for (const wanted of [whole, half, part]) {
    expect(reserve(ledger, 'R.1', SMALL, [wanted])).toEqual({ kind: 'full', ledger })
  }
  const shared = reserve(ledgerOf(ROOM), 'R.0', SMALL, [half]).ledger
  expect(reserve(shared, 'R.1', SMALL, [half]).kind).toBe('reserved')
  expect(reserve(shared, 'R.1', SMALL, [whole]).kind).toBe('full')
  expect(reserve(ledgerOf(ROOM), 'R.0', SMALL, [whole, whole]).kind).toBe('full')
  expect(reserve(ledgerOf(ROOM), 'R.0', SMALL, [whole, part]).kind).toBe('full')
  expect(reserve(ledgerOf(ROOM), 'R.0', SMALL, [{ ...half, units: -1 }]).kind).toBe('full')
})

test('GPUs of a container that is left are not free before it is gone, its job is none', () => {
  const whole = { id: 'nvidia:GPU-0', units: GPU_WHOLE }
  const ran = reserve(ledgerOf(ROOM), 'R.0', SMALL, [whole]).ledger
  const left = keepGpus(ran, 'R.0', 'claim')
  expect(left.held.size).toBe(0)
  expect(gpusHeldOf(left)).toEqual([{ ...whole, jobs: ['R.0'] }])
  expect(reserve(left, 'R.0', SMALL, [whole]).kind).toBe('full')
  expect(gpusHeldOf(releaseKept(left, 'R.0', 'claim'))).toEqual([])
})

test('what a container had before this process is held, however little room there is', () => {
  const whole = { id: 'nvidia:GPU-0', units: GPU_WHOLE }
  const ledger = holdGpus(ledgerOf({ ...ROOM, jobs: 0 }), 'R.0', [whole])
  expect(gpusHeldOf(ledger)).toEqual([{ ...whole, jobs: ['R.0'] }])
  expect(gpusHeldOf(release(ledger, 'R.0'))).toEqual([])
})

test('what several jobs hold of one GPU is one entry with all of them', () => {
  const quarter = { id: 'nvidia:GPU-0', units: GPU_WHOLE / 4 }
  const part = { id: 'nvidia:MIG-1', units: GPU_WHOLE, parent: 'nvidia:GPU-1' }
  const uses = usesOf([
    ['R.1', [part, quarter]],
    ['R.0', [quarter]]
  ])
  expect(uses).toEqual([
    { ...quarter, units: GPU_WHOLE / 2, jobs: ['R.1', 'R.0'] },
    { ...part, jobs: ['R.1'] }
  ])
  expect(gpusHeldProblem(uses)).toBeUndefined()
})

test('the same job twice, once by a container that is left, is told with all that it holds', () => {
  const [one, other] = ['nvidia:GPU-0', 'nvidia:GPU-1'].map((id) => ({ id, units: GPU_WHOLE }))
  const first = reserve(ledgerOf(ROOM), 'R.0', SMALL, one === undefined ? [] : [one]).ledger
  const left = keepGpus(first, 'R.0', 'claim')
  const again = reserve(left, 'R.0', SMALL, other === undefined ? [] : [other]).ledger
  expect(gpusHeldOf(again).map(({ id, jobs }) => [id, ...jobs])).toEqual([
    ['nvidia:GPU-0', 'R.0'],
    ['nvidia:GPU-1', 'R.0']
  ])
})

describe('what an agent may not say of its GPUs:', () => {
  const share = { id: 'nvidia:GPU-0', slots: 2 }
  test.each([
    ['an id twice', [share, share]],
    ['one slot', [{ ...share, slots: 1 }]],
    ['more slots than there are', [{ ...share, slots: GPU_SHARES_MAX + 1 }]],
    ['half a slot', [{ ...share, slots: 2.5 }]],
    ['an id of no vendor', [{ ...share, id: 'matrox:1' }]],
    [
      'more than it has',
      Array.from({ length: GPUS_MAX + 1 }, (_, at) => ({ ...share, id: `nvidia:${at}` }))
    ]
  ])('%s as its terms', (_name, shares) => {
    expect(gpuTermsProblem({ shares: [share], untrusted: false })).toBeUndefined()
    expect(gpuTermsProblem({ shares, untrusted: false })).toBeDefined()
  })

  const use = { id: 'nvidia:MIG-0', units: 1, jobs: ['R.0'] }
  test.each([
    ['an id twice', [use, use]],
    ['nothing of one', [{ ...use, units: 0 }]],
    ['more than all of one', [{ ...use, units: GPU_WHOLE + 1 }]],
    ['its own part', [{ ...use, parent: use.id }]],
    ['a part of nothing', [{ ...use, parent: '' }]],
    ['more jobs than can be', [{ ...use, jobs: new Array(GPU_SHARES_MAX + 1).fill('R.0') }]],
    ['more than it has', new Array(GPUS_MAX + 1).fill(use)]
  ])('%s as what is held', (_name, held) => {
    expect(gpusHeldProblem([use])).toBeUndefined()
    expect(gpusHeldProblem(held)).toBeDefined()
  })
})

test('terms name vendors that there are, each once', () => {
  const terms = { shares: [], untrusted: true }
  expect(gpuTermsProblem({ ...terms, trustedOnly: ['nvidia', 'amd'] })).toBeUndefined()
  expect(gpuTermsProblem({ ...terms, trustedOnly: ['nvidia', 'nvidia'] })).toBeDefined()
  expect(gpuTermsProblem({ ...terms, trustedOnly: ['matrox' as never] })).toBeDefined()
})
