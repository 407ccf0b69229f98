import type { Advertisement } from './advertisement.ts'
import { diskOf } from './capacity.ts'
import { footprintOf } from './footprint.ts'
import { PLACEMENT_ROOM_MAX } from './limits.ts'
import { WARM_IMAGE_WEIGHT, WARM_REPOSITORY_WEIGHT } from './placement-limits.ts'
import { platformFor } from './requirements.ts'
import type { JobSpec } from './run.ts'
import type { WarmKeys } from './warmth.ts'

/** How well a host suits a job, beyond that it can run it. */
export interface FitScore {
  /** Lower goes first, whatever the weights: see `tierOf`. */
  readonly tier: number
  /** Within a tier a host goes first with a chance in proportion to it. */
  readonly weight: number
}

/** The hosts of one tier take a job only while none of a lower one could. */
const TIERS = { wasted: 1, emulated: 2 } as const

export function fitScoreOf(spec: JobSpec, advertisement: Advertisement, keys: WarmKeys): FitScore {
  return { tier: tierOf(spec, advertisement), weight: weightOf(spec, advertisement, keys) }
}

/**
 * What must not be a matter of chance. An emulated platform is many times slower than any other
 * reason could make up for. A GPU is idle beside a job that has taken its host's cores: such hosts
 * take jobs that want none only while no other could.
 */
export function tierOf(spec: JobSpec, advertisement: Advertisement): number {
  const isNative = platformFor(spec, advertisement.platforms)?.native === true
  return (isNative ? 0 : TIERS.emulated) + (wastesGpu(advertisement) ? TIERS.wasted : 0)
}

function wastesGpu({ gpus = [] }: Advertisement): boolean {
  return gpus.some(({ health }) => health === 'ok')
}

/**
 * How many jobs of this size the host could still take, so that a burst spreads by room; more where
 * it has the image or knows the repository, less where it costs more to run.
 */
export function weightOf(spec: JobSpec, advertisement: Advertisement, keys: WarmKeys): number {
  const room = Math.max(1, roomOf(spec, advertisement))
  return (room * warmthOf(advertisement.warm ?? [], keys)) / costOf(advertisement)
}

function roomOf(spec: JobSpec, { free, capacity }: Advertisement): number {
  const { cpuMilli, memoryBytes } = footprintOf(spec)
  return Math.min(
    free.jobs,
    free.cpuMilli / Math.max(1, cpuMilli),
    free.memoryBytes / Math.max(1, memoryBytes),
    free.diskBytes / Math.max(1, diskOf(spec.resources, capacity)),
    PLACEMENT_ROOM_MAX
  )
}

// The job's own image and those of its services: a host that lacks one of them has a pull to wait for.
function warmthOf(warm: readonly string[], { images, repository }: WarmKeys): number {
  if (warm.length === 0) return 1
  const image = images.every((key) => warm.includes(key)) ? WARM_IMAGE_WEIGHT : 1
  return image * (warm.includes(repository) ? WARM_REPOSITORY_WEIGHT : 1)
}

/** 1 for a plain host. */
function costOf({ costPercent = 100 }: Advertisement): number {
  return costPercent / 100
}
