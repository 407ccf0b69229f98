import fc from 'fast-check'
import type { Gpu } from '../../protocol/core/gpu.ts'
import type { GpuRequest } from '../../protocol/core/gpu-request.ts'
import { GPU_WHOLE } from '../../protocol/core/gpu-request-limits.ts'
import type { GpuSlots, GpuTerms, GpuUse } from '../../protocol/core/gpu-terms.ts'

const GIB = 2 ** 30

export const A_GPU: Gpu = {
  id: 'nvidia:GPU-0',
  vendor: 'nvidia',
  model: 'NVIDIA RTX A4000',
  pci: '0000:3b:00.0',
  memoryBytes: 16 * GIB,
  sharedMemory: false,
  driver: '580.65.06',
  architecture: 'sm_86',
  numaNode: 0,
  parent: undefined,
  health: 'ok',
  reasons: []
}

const maybe = <T>(arb: fc.Arbitrary<T>) => fc.option(arb, { nil: undefined })

function withoutNothing<T extends object>(fields: T): T {
  const kept = Object.entries(fields).filter(([, value]) => value !== undefined)
  return Object.fromEntries(kept) as T
}

/** What jobs may ask for. */
export const gpuRequests: fc.Arbitrary<GpuRequest> = fc
  .record({
    count: fc.integer({ min: 1, max: 4 }),
    vendor: maybe(fc.constantFrom('nvidia', 'amd', 'intel')),
    model: maybe(fc.constantFrom('*A4000', '*a*0*', 'AMD Instinct MI300X', '*')),
    memoryBytes: maybe(fc.constantFrom(8 * GIB, 16 * GIB, 80 * GIB)),
    computeTenths: maybe(fc.constantFrom(70, 86, 90)),
    gfx: maybe(fc.constantFrom('gfx942', 'gfx90a')),
    mig: maybe(fc.constant('1g.10gb')),
    sameNuma: maybe(fc.constant(true as const)),
    shareOf: maybe(fc.integer({ min: 2, max: 16 }))
  })
  .map(({ vendor, computeTenths, gfx, mig, ...request }) => {
    if (vendor === 'intel') return withoutNothing({ ...request, vendor })
    if (vendor === 'amd') return withoutNothing({ ...request, vendor, gfx })
    if (vendor === 'nvidia') return withoutNothing({ ...request, vendor, computeTenths, mig })
    return withoutNothing({ ...request, computeTenths, mig })
  })

export interface HostGpus {
  readonly gpus: readonly Gpu[]
  readonly gpuTerms: GpuTerms
}

const whole = fc.record({
  vendor: fc.constantFrom('nvidia', 'amd'),
  isLarge: fc.boolean(),
  numaNode: maybe(fc.nat(1)),
  health: fc.constantFrom('ok', 'ok', 'ok', 'unhealthy', 'lost'),
  /** How many parts it is divided into, and whether it is listed beside them. */
  parts: fc.constantFrom(0, 0, 0, 1, 2),
  isListed: fc.boolean(),
  slots: maybe(fc.integer({ min: 2, max: 16 }))
})

/** A few GPUs of one host: large and small, divided, ill, shared. */
export const hostGpus: fc.Arbitrary<HostGpus> = fc
  .record({
    wholes: fc.array(whole, { maxLength: 4 }),
    untrusted: fc.boolean(),
    trustedOnly: maybe(fc.constantFrom(['nvidia' as const], ['amd' as const]))
  })
  .map(({ wholes, untrusted, trustedOnly }) => {
    const gpus = wholes.flatMap((drawn, index) => {
      const gpu = gpuOf(drawn, index)
      const isAlone = drawn.parts === 0 || drawn.isListed
      return [...(isAlone ? [gpu] : []), ...partsOf(gpu, drawn.parts)]
    })
    const shares = wholes.flatMap(({ slots, ...drawn }, index): GpuSlots[] => {
      return slots === undefined ? [] : [{ id: gpuOf(drawn, index).id, slots }]
    })
    return { gpus, gpuTerms: withoutNothing({ shares, untrusted, trustedOnly }) }
  })

interface Drawn {
  readonly vendor: 'nvidia' | 'amd'
  readonly isLarge: boolean
  readonly numaNode: number | undefined
  readonly health: Gpu['health']
}

function gpuOf({ vendor, isLarge, numaNode, health }: Drawn, index: number): Gpu {
  const kind =
    vendor === 'nvidia'
      ? { id: `nvidia:GPU-${index}`, model: 'NVIDIA RTX A4000', architecture: 'sm_86' }
      : { id: `amd:0${index}`, model: 'AMD Instinct MI300X', architecture: 'gfx942' }
  const memoryBytes = isLarge ? 80 * GIB : 16 * GIB
  const reasons = health === 'ok' ? [] : ['it is ill']
  return { ...A_GPU, ...kind, vendor, memoryBytes, numaNode, health, reasons }
}

function partsOf(gpu: Gpu, count: number): readonly Gpu[] {
  return Array.from({ length: count }, (_, part) => {
    const kind =
      gpu.vendor === 'nvidia'
        ? { id: `nvidia:MIG-${gpu.id.slice(-1)}/${part}`, model: `${gpu.model} MIG 1g.10gb` }
        : { id: `${gpu.id}-${part}` }
    return { ...gpu, ...kind, memoryBytes: 8 * GIB, parent: gpu.id }
  })
}

/** The same, with some of them held by jobs: whole, or by half where their owner lets them. */
export const gpuRooms: fc.Arbitrary<HostGpus & { readonly gpusHeld: readonly GpuUse[] }> =
  hostGpus.chain(({ gpus, gpuTerms: terms }) => {
    const length = { minLength: gpus.length, maxLength: gpus.length }
    return fc.array(fc.constantFrom(0, 0, GPU_WHOLE / 2, GPU_WHOLE), length).map((drawn) => {
      const held = gpus.flatMap(({ id, parent }, index): GpuUse[] => {
        const units = drawn[index] ?? 0
        return units === 0 ? [] : [withoutNothing({ id, units, parent, jobs: [] })]
      })
      return { gpus, gpuTerms: terms, gpusHeld: held }
    })
  })

/** Terms that say something. */
export const gpuTerms: fc.Arbitrary<GpuTerms> = hostGpus
  .map(({ gpuTerms: terms }) => terms)
  .filter(({ shares, untrusted }) => shares.length > 0 || untrusted)

/** What jobs of these ids may hold of a host's GPUs. */
export function usesBy(jobIds: fc.Arbitrary<string>): fc.Arbitrary<readonly GpuUse[]> {
  const use = fc.record({
    id: fc.integer({ min: 0, max: 9 }).map((number) => `nvidia:MIG-${number}`),
    units: fc.integer({ min: 1, max: GPU_WHOLE }),
    parent: maybe(fc.constant('nvidia:GPU-0')),
    jobs: fc.array(jobIds, { maxLength: 3 })
  })
  return fc.uniqueArray(use.map(withoutNothing), { maxLength: 3, selector: ({ id }) => id })
}
