import { describe, expect, test } from 'vitest'
import type { Gpu } from '../../../protocol/core/gpu.ts'
import { type GpuWish, lacksGpu, unmetGpu } from '../../../protocol/core/gpu-allocation.ts'
import { needsOf } from '../../../protocol/core/gpu-needs.ts'
import type { GpuRequest } from '../../../protocol/core/gpu-request.ts'
import { GPU_WHOLE } from '../../../protocol/core/gpu-request-limits.ts'
import { A_GPU } from '../../support/arbitrary-gpu-rooms.ts'

const GIB = 2 ** 30
const plain = (request: GpuRequest): GpuWish => ({ request, trust: 'trusted' })
const gpu = (patch: Partial<Gpu> = {}): Gpu => ({ ...A_GPU, ...patch })

describe('the first requirement that is not met is told:', () => {
  const A100 = gpu({
    id: 'nvidia:GPU-1',
    model: 'NVIDIA A100',
    memoryBytes: 80 * GIB,
    architecture: 'sm_80',
    numaNode: 1
  })
  const ill = gpu({ id: 'nvidia:GPU-2', health: 'unhealthy', reasons: ['Xid 79'] })
  const host = [gpu(), A100]

  test.each<readonly [GpuRequest, readonly Gpu[], string, string, string]>([
    [{ count: 1 }, [], 'gpu', '1', 'none'],
    [{ count: 3 }, host, 'gpu', '3', '2'],
    [{ count: 1, vendor: 'amd' }, host, 'gpu vendor', 'amd', 'nvidia'],
    [
      { count: 2, model: '*a4000' },
      host,
      'gpu model',
      '2 with *a4000',
      'NVIDIA RTX A4000, NVIDIA A100'
    ],
    [{ count: 1, mig: '1g.10gb' }, host, 'gpu mig', '1g.10gb', 'a whole one'],
    [{ count: 2, memoryBytes: 32 * GIB }, host, 'gpu memory', '2 with 32GiB', '16GiB, 80GiB'],
    [{ count: 1, computeTenths: 90 }, host, 'gpu compute capability', '9.0', '8.6, 8.0'],
    [{ count: 1, gfx: 'gfx942' }, [gpu()], 'gpu gfx version', 'gfx942', 'sm_86'],
    [{ count: 1 }, [ill], 'gpu health', 'ok', 'unhealthy (Xid 79)'],
    [{ count: 2, sameNuma: true }, host, 'gpu numa node', '2 on one', 'at most 1 on one']
  ])('%j', (request, gpus, requirement, wanted, offered) => {
    expect(unmetGpu(plain(request), { gpus })).toEqual({ requirement, wanted, offered })
  })

  test('that its owner gives none to strangers', () => {
    expect(unmetGpu({ request: { count: 1 }, trust: 'untrusted' }, { gpus: host })).toEqual({
      requirement: 'gpu',
      wanted: 'one for untrusted jobs',
      offered: 'refused by its owner'
    })
  })

  test('that others have them for now', () => {
    const room = { gpus: host, gpusHeld: [{ id: A100.id, units: GPU_WHOLE }] }
    expect(lacksGpu(plain({ count: 2 }), room)).toEqual({
      requirement: 'free gpu',
      wanted: '2',
      offered: '1 of 2'
    })
  })
})

test('whatever a job asks for, a GPU of it is well', () => {
  expect(needsOf({ count: 1 }).map(({ requirement }) => requirement)).toEqual(['gpu health'])
})

test("memory that is not known, or is the host's, is not enough for any wish", () => {
  const [need] = needsOf({ count: 1, memoryBytes: GIB })
  const unknown = gpu({ memoryBytes: undefined })
  const shared = gpu({ memoryBytes: undefined, sharedMemory: true })
  expect([unknown, shared].map((each) => need?.meets(each))).toEqual([false, false])
  expect([unknown, shared].map((each) => need?.offered(each))).toEqual(['not known', "the host's"])
})

test('several GPUs are whole ones, unless MIG devices are asked for by name', () => {
  const part = gpu({ id: 'nvidia:MIG-1', model: 'NVIDIA H100 MIG 1g.10gb', parent: 'nvidia:GPU-9' })
  const all = (request: GpuRequest): boolean => needsOf(request).every((need) => need.meets(part))
  expect(all({ count: 1 })).toBe(true)
  expect(all({ count: 2 })).toBe(false)
  expect(all({ count: 2, mig: '1g.10gb' })).toBe(true)
  expect(all({ count: 1, mig: '2g.20gb' })).toBe(false)
})
