import fc from 'fast-check'
import { boundedGpus, type Gpu } from '../../protocol/core/gpu.ts'

const vendors = fc.constantFrom('nvidia', 'amd', 'intel')
const words = fc.string({ unit: fc.constantFrom(...'abcdef0123456789-.:/'), maxLength: 40 })
const texts = fc.oneof(
  fc.string({ maxLength: 120 }),
  fc.string({ unit: 'grapheme', maxLength: 120 })
)

/** GPUs as an agent may advertise them. */
export const gpus: fc.Arbitrary<readonly Gpu[]> = fc
  .array(
    fc.record({
      vendor: vendors,
      name: words,
      model: texts,
      pci: fc.constantFrom('', '0000:3b:00.0', '10000:e1:00.7'),
      memoryBytes: fc.option(fc.maxSafeNat(), { nil: undefined }),
      sharedMemory: fc.boolean(),
      driver: texts,
      architecture: fc.constantFrom('', 'sm_90', 'gfx90a'),
      numaNode: fc.option(fc.nat(1_023), { nil: undefined }),
      parent: fc.option(words, { nil: undefined }),
      health: fc.constantFrom('ok', 'unhealthy', 'lost'),
      reasons: fc.array(texts, { maxLength: 5 })
    }),
    { maxLength: 5 }
  )
  .map((drawn) => {
    const made = drawn.map(({ name, parent, ...gpu }): Gpu => {
      const whole = parent === undefined ? undefined : `${gpu.vendor}:p${parent}`
      return {
        ...gpu,
        id: `${gpu.vendor}:${gpu.vendor === 'amd' ? '0' : 'G'}${name}`,
        parent: whole
      }
    })
    return boundedGpus(made)
  })
