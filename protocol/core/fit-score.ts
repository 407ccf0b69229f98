import type { Advertisement } from './advertisement.ts'
import { diskOf } from './capacity.ts'
import { footprintOf } from './footprint.ts'
import { chooseGpus } from './gpu-allocation.ts'
import { PLACEMENT_ROOM_MAX } from './limits.ts'
import {
  GPU_MEMORY_LEAST,
  GPU_WASTE_MAX,
  WARM_IMAGE_WEIGHT,
  WARM_REPOSITORY_WEIGHT
} from './placement-limits.ts'
import { platformFor, type RoomWanted } from './requirements.ts'
import type { JobSpec } from './run.ts'
import type { WarmKeys } from './warmth.ts'

/** How well a host suits a job, beyond that it can run it. */
export interface FitScore {
  /** Lower goes first, whatever the weights: see `tierOf`. */
  readonly tier: number
  /** Within a tier a host goes first with a chance in proportion to it. */
  readonly weight: number
}

/** Behind all that could run the job on a processor of its own, whatever GPUs it would waste. */
const EMULATED = 100

export function fitScoreOf(
  { spec, trust }: RoomWanted,
  advertisement: Advertisement,
  keys: WarmKeys
): FitScore {
  return {
    tier: tierOf({ spec, trust }, advertisement),
    weight: weightOf(spec, advertisement, keys)
  }
}

/**
 * What must not be a matter of chance: the hosts of one tier take a job only while none of a lower
 * one could. An emulated platform is many times slower than any other reason could make up for. A
 * GPU is idle beside a job that has taken its host's cores, and a large one is wasted on a job that
 * a small one would do for.
 */
export function tierOf({ spec, trust }: RoomWanted, advertisement: Advertisement): number {
  const isNative = platformFor(spec, advertisement.platforms)?.native === true
  return (isNative ? 0 : EMULATED) + gpuWasteOf({ spec, trust }, advertisement)
}

/** 0 for none, at most GPU_WASTE_MAX; two steps are a GPU of twice the memory. */
function gpuWasteOf({ spec, trust }: RoomWanted, advertisement: Advertisement): number {
  const { gpus = [] } = advertisement
  const well = gpus.filter(({ health }) => health === 'ok')
  if (spec.gpu === undefined) return well.length > 0 ? 1 : 0
  const choice = chooseGpus({ request: spec.gpu, trust }, advertisement)
  const chosen = new Set(choice.kind === 'chosen' ? choice.holds.map(({ id }) => id) : [])
  const devices = chosen.size > 0 ? well.filter(({ id }) => chosen.has(id)) : well
  const largest = Math.max(...devices.map(({ memoryBytes = 0 }) => memoryBytes), 1)
  const wanted = Math.max(spec.gpu.memoryBytes ?? 0, GPU_MEMORY_LEAST)
  return Math.min(GPU_WASTE_MAX, Math.max(0, Math.round(2 * Math.log2(largest / wanted))))
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

// All images of the job, its services' too: a host that lacks one of them has a pull to wait for.
function warmthOf(warm: readonly string[], { images, repository }: WarmKeys): number {
  if (warm.length === 0) return 1
  const image = images.every((key) => warm.includes(key)) ? WARM_IMAGE_WEIGHT : 1
  return image * (warm.includes(repository) ? WARM_REPOSITORY_WEIGHT : 1)
}

/** 1 for a plain host. */
function costOf({ costPercent = 100 }: Advertisement): number {
  return costPercent / 100
}
