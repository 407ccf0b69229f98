import type { GpuRequest } from '../../protocol/core/gpu-request.ts'
import type { JobSpec } from '../../protocol/core/run.ts'
import { GIB, sampleSpec } from '../support/arbitrary-board.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import { oneOf } from './hosts.ts'

/** A job with what only whoever plays it knows: how long it takes. */
export interface Work {
  readonly spec: JobSpec
  readonly repository: string
  readonly announcedAtMs: number
  /** On a processor of its own; under an emulator EMULATED_TIMES as long. */
  readonly nativeMs: number
}

/** About what a compiler takes under an emulator. */
export const EMULATED_TIMES = 5
const MINUTE = 60_000
const CORES = [1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 4, 4, 4, 4, 8, 16]
const PLATFORMS = [
  ...Array.from({ length: 14 }, () => 'linux/amd64'),
  ...Array.from({ length: 4 }, () => 'linux/arm64'),
  'linux/riscv64',
  undefined
]
const GPU_SHARE = 0.08
/** Of each vendor's, of any, of large ones, and of several at a time. */
const GPU_WISHES: readonly GpuRequest[] = [
  { count: 1, vendor: 'nvidia' },
  { count: 1, vendor: 'nvidia', memoryBytes: 40 * GIB },
  { count: 1, vendor: 'amd' },
  { count: 1, vendor: 'intel' },
  { count: 1, memoryBytes: 12 * GIB },
  { count: 2, vendor: 'nvidia' }
]
/** All are announced in this time: many more than the mesh can take. */
const ARRIVAL_MS = 5 * MINUTE
/** So many repositories announce so many times as much as each of the others. */
const HOARDERS = 4
const HOARDERS_TIMES = 3

/** Jobs of equal repositories, some of which want more than the others; the same for a seed. */
export function jobsOf(count: number, repositories: number, random: SeededRandom): readonly Work[] {
  const turns = Array.from({ length: repositories }, (_, of) => {
    return new Array<number>(of < HOARDERS ? HOARDERS_TIMES : 1).fill(of)
  }).flat()
  const jobs = Array.from({ length: count }, (_, index): Work => {
    const of = turns[index % turns.length] ?? 0
    return {
      spec: specOf(of, random),
      repository: `team/r${of}`,
      announcedAtMs: random.between(0, ARRIVAL_MS),
      nativeMs: durationMs(random)
    }
  })
  return jobs.sort((a, b) => a.announcedAtMs - b.announcedAtMs)
}

function specOf(repository: number, random: SeededRandom): JobSpec {
  const cores = oneOf(CORES, random)
  const gpu = random.next() < GPU_SHARE ? oneOf(GPU_WISHES, random) : undefined
  const platform = gpu === undefined ? oneOf(PLATFORMS, random) : undefined
  return sampleSpec({
    image: `fixture/r${repository}:${random.between(0, 3)}`,
    platform,
    emulation: random.next() < 0.7 ? 'allow' : 'forbid',
    resources: {
      // No host of that kind has more.
      cpuMilli: (platform === 'linux/riscv64' ? Math.min(cores, 8) : cores) * 1_000,
      memoryBytes: cores * oneOf([1, 2, 2, 3, 4], random) * GIB,
      diskBytes: oneOf([2, 5, 10], random) * GIB
    }
  })
}

/** From half a minute to twelve, most of them short. */
function durationMs(random: SeededRandom): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())
  return Math.round(
    Math.min(12 * MINUTE, Math.max(MINUTE / 2, 3 * MINUTE * Math.exp(0.7 * normal)))
  )
}
