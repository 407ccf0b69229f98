import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  boundedGpus,
  cleanLine,
  type Gpu,
  gpusProblem,
  vendorOf
} from '../../../protocol/core/gpu.ts'
import {
  GPU_REASON_CHARACTERS_MAX,
  GPU_REASONS_MAX,
  GPUS_BYTES_MAX,
  GPUS_MAX
} from '../../../protocol/core/gpu-limits.ts'

const WELL: Gpu = {
  id: 'nvidia:GPU-00000000-0000-0000-0000-000000000000',
  vendor: 'nvidia',
  model: 'NVIDIA H100 80GB HBM3',
  pci: '0000:3b:00.0',
  memoryBytes: 85_520_809_984,
  sharedMemory: false,
  driver: '580.65.06',
  architecture: 'sm_90',
  numaNode: 1,
  parent: undefined,
  health: 'ok',
  reasons: []
}

const wild = fc.oneof(
  fc.string({ maxLength: 300 }),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.constantFrom('', 'nvidia:x', 'amd:y', 'sm_90', '0000:3b:00.0', '\ud800', '\u0000')
)
const amounts = fc.oneof(fc.constant(undefined), fc.double(), fc.integer())
const anything: fc.Arbitrary<Gpu> = fc.record({
  id: fc.oneof(wild, fc.constantFrom('nvidia:a', 'amd:b', 'intel:0000:00:02.0')),
  vendor: fc.constantFrom('nvidia', 'amd', 'intel'),
  model: wild,
  pci: wild,
  memoryBytes: amounts,
  sharedMemory: fc.boolean(),
  driver: wild,
  architecture: wild,
  numaNode: amounts,
  parent: fc.option(wild, { nil: undefined }),
  health: fc.constantFrom('ok', 'unhealthy', 'lost'),
  reasons: fc.array(wild, { maxLength: 8 })
})

test('what a host is said to have is bounded, whatever its tools print', () => {
  fc.assert(
    fc.property(fc.array(anything, { maxLength: 80 }), (gpus) => {
      const bounded = boundedGpus(gpus)
      expect(gpusProblem(bounded)).toBeUndefined()
      expect(boundedGpus(bounded)).toEqual(bounded)
    })
  )
})

test('what is all right is left as it is', () => {
  const gpus = [
    WELL,
    { ...WELL, id: 'nvidia:GPU-1', health: 'unhealthy', reasons: ['Xid 79'] }
  ] as const
  expect(gpusProblem(gpus)).toBeUndefined()
  expect(boundedGpus(gpus)).toEqual(gpus)
})

test('64 parts of GPUs that are all ill fit, and no more than 64', () => {
  const reasons = ['x'.repeat(GPU_REASON_CHARACTERS_MAX)]
  const parts = Array.from({ length: GPUS_MAX + 1 }, (_, index): Gpu => {
    const parent = `nvidia:GPU-00000000-0000-0000-0000-${String(index).padStart(12, '0')}`
    return { ...WELL, id: parent.replace('GPU', 'MIG'), parent, health: 'unhealthy', reasons }
  })
  expect(boundedGpus(parts)).toEqual(parts.slice(0, GPUS_MAX))
  expect(gpusProblem(parts)).toContain('65 entries')
})

test('texts of many characters are counted in bytes', () => {
  const reasons = Array.from({ length: GPU_REASONS_MAX }, () => '\u{1f525}'.repeat(160))
  const gpus = Array.from({ length: GPUS_MAX }, (_, index): Gpu => {
    return { ...WELL, id: `nvidia:${index}`, health: 'unhealthy', reasons }
  })
  expect(gpusProblem(gpus)).toContain(`at most ${GPUS_BYTES_MAX} are allowed`)
  expect(boundedGpus(gpus).length).toBeLessThan(GPUS_MAX)
})

test.each<readonly [string, Partial<Gpu>]>([
  ['an id of another vendor', { id: 'amd:1' }],
  ['an id with a blank', { id: 'nvidia:GPU 1' }],
  ['no model', { model: '' }],
  ['a model of two lines', { model: 'a\nb' }],
  ['no PCI address', { pci: '3b:00.0' }],
  ['no memory', { memoryBytes: 0 }],
  ["memory of its own that is the host's", { sharedMemory: true }],
  ['a driver too long to be one', { driver: 'x'.repeat(65) }],
  ['an architecture of nobody', { architecture: 'sm90' }],
  ['a NUMA node below 0', { numaNode: -1 }],
  ['itself as its parent', { parent: WELL.id }],
  ['a parent of another vendor', { parent: 'amd:1' }],
  ['a reason though it is well', { reasons: ['x'] }],
  ['no reason though it is ill', { health: 'lost' }],
  ['an empty reason', { health: 'lost', reasons: [''] }],
  ['too many reasons', { health: 'lost', reasons: ['1', '2', '3', '4', '5'] }]
])('a GPU with %s is refused', (_, patch) => {
  expect(gpusProblem([WELL])).toBeUndefined()
  expect(gpusProblem([{ ...WELL, ...patch }])).toBeDefined()
})

test('one id twice is refused, and said once', () => {
  expect(gpusProblem([WELL, WELL])).toBe('has one id twice')
  expect(boundedGpus([WELL, WELL])).toEqual([WELL])
})

test('an id says whose GPU it is', () => {
  expect(vendorOf('amd:0123456789abcdef-0')).toBe('amd')
  expect(vendorOf('matrox:1')).toBeUndefined()
  expect(vendorOf(`nvidia:${'x'.repeat(100)}`)).toBeUndefined()
})

test('a line that is cut says so, and never cuts a character in two', () => {
  expect(cleanLine('  a \u0000 b\n', 10)).toBe('a b')
  expect(cleanLine('\u{1f525}'.repeat(5), 3)).toBe('\u{1f525}\u{1f525}…')
})
