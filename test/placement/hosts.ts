import type { Advertisement, Capacity } from '../../protocol/core/advertisement.ts'
import type { Gpu, GpuVendor } from '../../protocol/core/gpu.ts'
import { GIB, sampleAd } from '../support/arbitrary-board.ts'
import type { SeededRandom } from '../support/seeded-random.ts'

type Arch = 'amd64' | 'arm64' | 'riscv64'

/** So many of each, in shares of the mesh that are about those of the jobs. */
const SHARES: readonly (readonly [arch: Arch, share: number])[] = [
  ['amd64', 0.68],
  ['arm64', 0.24],
  ['riscv64', 0.08]
]
const CORES: Readonly<Record<Arch, readonly number[]>> = {
  amd64: [4, 8, 8, 8, 12, 16, 16, 16, 24, 32],
  arm64: [4, 4, 8, 16, 16, 32],
  riscv64: [4, 8, 8]
}
const GPU_SHARE = 0.2
const MODELS: Readonly<Record<GpuVendor, readonly (readonly [model: string, gib: number])[]>> = {
  nvidia: [
    ['Fixture N16', 16],
    ['Fixture N80', 80]
  ],
  amd: [
    ['Fixture A16', 16],
    ['Fixture A64', 64]
  ],
  intel: [
    ['Fixture I8', 8],
    ['Fixture I16', 16]
  ]
}
const VENDORS: readonly GpuVendor[] = ['nvidia', 'nvidia', 'amd', 'intel']

/** Hosts that have little in common, the same ones for the same seed. */
export function unlikeHosts(count: number, random: SeededRandom): readonly Advertisement[] {
  return Array.from({ length: count }, (_, index) => {
    const arch = archOf((index + 0.5) / count)
    const cores = oneOf(CORES[arch], random)
    const capacity: Capacity = {
      cpuMilli: cores * 1_000,
      memoryBytes: cores * oneOf([2, 3, 4, 4, 6, 8], random) * GIB,
      diskBytes: (100 + cores * 20) * GIB,
      jobs: cores
    }
    // No sharp edge between the architectures: GPUs are in each of the two that have drivers.
    const hasGpus = arch !== 'riscv64' && random.next() < GPU_SHARE
    return sampleAd({
      peerId: `peer-${index}`,
      name: `host-${index}`,
      platforms: platformsOf(arch, random),
      gpus: hasGpus ? gpusOf(`${index}`, random) : [],
      costPercent: oneOf([50, 100, 100, 100, 200], random),
      capacity,
      free: capacity
    })
  })
}

function archOf(place: number): Arch {
  let upTo = 0
  for (const [arch, share] of SHARES) {
    upTo += share
    if (place < upTo) return arch
  }
  return 'amd64'
}

function platformsOf(arch: Arch, random: SeededRandom): Advertisement['platforms'] {
  const native = { name: `linux/${arch}`, native: true }
  if (arch !== 'amd64' || random.next() < 0.5) return [native]
  const others = ['linux/arm64', 'linux/riscv64'].map((name) => ({ name, native: false }))
  return [native, ...others]
}

function gpusOf(host: string, random: SeededRandom): readonly Gpu[] {
  const vendor = oneOf(VENDORS, random)
  const [model, gib] = oneOf(MODELS[vendor], random)
  return Array.from({ length: oneOf([1, 1, 2, 4, 8], random) }, (_, at): Gpu => {
    return {
      id: `${vendor}:GPU-${host}-${at}`,
      vendor,
      model,
      pci: '',
      memoryBytes: gib * GIB,
      sharedMemory: false,
      driver: '1.0',
      architecture: '',
      numaNode: at % 2,
      parent: undefined,
      health: 'ok',
      reasons: []
    }
  })
}

/** `items` has one at least. */
export function oneOf<Item>(items: readonly Item[], random: SeededRandom): Item {
  return items[random.between(0, items.length)] as Item
}
