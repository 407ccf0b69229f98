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
/** Runs are announced in this time, those of the first repositories all at its beginning. */
const ARRIVAL_MS = MINUTE
const HOARDERS = 4

/** The same number of jobs for each of equal repositories, the same ones for the same seed. */
export function jobsOf(
  count: number,
  repositories: number,
  random: SeededRandom
): readonly Work[] {
  const jobs: Work[] = []
  for (let index = 0; index < count; index += 1) {
    const of = index % repositories
    const atMs = of < HOARDERS ? 0 : random.between(0, ARRIVAL_MS)
    jobs.push({
      spec: specOf(of, random),
      repository: `team/r${of}`,
      announcedAtMs: atMs,
      nativeMs: durationMs(random)
    })
  }
  return jobs.sort((a, b) => a.announcedAtMs - b.announcedAtMs)
}

function specOf(repository: number, random: SeededRandom): JobSpec {
  const cores = oneOf(CORES, random)
  const platform = oneOf(PLATFORMS, random)
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
  return Math.round(Math.min(12 * MINUTE, Math.max(MINUTE / 2, 3 * MINUTE * Math.exp(0.7 * normal))))
}
