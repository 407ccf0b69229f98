import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  computeTenthsOf,
  formatCompute,
  gpuRequestProblem,
  matchesModel,
  migProfileOf
} from '../../../protocol/core/gpu-request.ts'
import { GPU_MODEL_STARS_MAX } from '../../../protocol/core/gpu-request-limits.ts'
import { A_GPU, gpuRequests } from '../../support/arbitrary-gpu-rooms.ts'

test('the model is matched whole, in upper or lower case, slashes and all', () => {
  expect(matchesModel('*A4000', 'NVIDIA RTX A4000')).toBe(true)
  expect(matchesModel('nvidia*', 'NVIDIA RTX A4000')).toBe(true)
  expect(matchesModel('*RX 6800*', 'AMD Radeon RX 6800/6800 XT')).toBe(true)
  expect(matchesModel('A4000', 'NVIDIA RTX A4000')).toBe(false)
  expect(matchesModel('ab*ba', 'aba')).toBe(false)
  expect(matchesModel('*', '')).toBe(true)
})

test('a pattern means what the same regular expression does', () => {
  const texts = fc.string({ unit: fc.constantFrom('a', 'b', '*', '/'), maxLength: 8 })
  const names = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 8 })
  fc.assert(
    fc.property(texts, names, (pattern, name) => {
      expect(matchesModel(pattern, name)).toBe(
        new RegExp(`^${pattern.replaceAll(/\*+/g, '.*')}$`).test(name)
      )
    })
  )
})

test('a request that may be made has no problem', () => {
  fc.assert(fc.property(gpuRequests, (request) => gpuRequestProblem(request) === undefined))
})

test.each([
  ['no GPU', { count: 0 }],
  ['half a GPU', { count: 0.5 }],
  ['a vendor that is none', { count: 1, vendor: 'matrox' as 'amd' }],
  ['too many stars', { count: 1, model: 'a*'.repeat(GPU_MODEL_STARS_MAX + 1) }],
  ['a model of no characters', { count: 1, model: '' }],
  ['no memory', { count: 1, memoryBytes: 0 }],
  ['a gfx version that is none', { count: 1, gfx: 'sm_90' }],
  ['a MIG profile that is none', { count: 1, mig: '*' }],
  ['a share that is all', { count: 1, shareOf: 1 }],
  ["NVIDIA's of Intel", { count: 1, vendor: 'intel' as const, mig: '1g.10gb' }],
  ["AMD's of NVIDIA", { count: 1, vendor: 'nvidia' as const, gfx: 'gfx942' }],
  ['two vendors at once', { count: 1, computeTenths: 80, gfx: 'gfx942' }]
])('%s is refused', (_name, request) => {
  expect(gpuRequestProblem(request)).toBeDefined()
})

test('a MIG device is known by its id, and its profile by its model', () => {
  const part = { id: 'nvidia:MIG-1', model: 'NVIDIA H100 80GB HBM3 MIG 1c.3g.40gb' }
  expect(migProfileOf(part)).toBe('1c.3g.40gb')
  expect(migProfileOf({ ...part, model: 'NVIDIA H100' })).toBe('')
  // Whoever calls a GPU so does not make it one.
  expect(migProfileOf({ ...part, id: 'nvidia:GPU-1' })).toBeUndefined()
})

test('a compute capability is read of an architecture, the last digit behind the dot', () => {
  const tenths = ['sm_90', 'sm_120', 'gfx942', ''].map((architecture) =>
    computeTenthsOf({ ...A_GPU, architecture })
  )
  expect(tenths).toEqual([90, 120, undefined, undefined])
  expect(['90', '120'].map((each) => formatCompute(Number(each)))).toEqual(['9.0', '12.0'])
})
