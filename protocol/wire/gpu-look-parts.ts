import { GPUS_MAX } from '../core/gpu-limits.ts'
import { type GpuInUse, type GpuJobUse, type GpuLook, gpuLookProblem } from '../core/gpu-look.ts'
import { GPU_SHARES_MAX } from '../core/gpu-request-limits.ts'
import { count, jobId, list, optional, refuse, text } from './fields.ts'
import type * as wire from './generated/gossip.ts'

/* How GPUs were used when their agent looked last: field 31 of an advertisement. */

/** Most elements of its lists, refused while they are read. */
export const GPU_LOOK_LIMITS = { gpus: GPUS_MAX, gpus$: { jobs: GPU_SHARES_MAX } }
/** Characters of an id: what may stand in it core knows. */
const ID_CHARACTERS_MAX = 1_024

export function gpuLookToWire(look: GpuLook): wire.GpuLook {
  return lookOf(checked(look)) as wire.GpuLook
}

export function gpuLookFromWire(look: wire.GpuLook | undefined): { readonly gpuLook?: GpuLook } {
  return look === undefined ? {} : { gpuLook: checked(lookOf(look)) }
}

function lookOf({ ageMs, gpus }: GpuLook | wire.GpuLook) {
  return {
    ageMs: count(ageMs, 'ageMs'),
    gpus: list<GpuInUse | wire.GpuInUse, ReturnType<typeof gpuOf>>(gpus, GPUS_MAX, 'gpus', gpuOf)
  }
}

function gpuOf({ id, powerWatts, temperature, jobs, ...use }: GpuInUse | wire.GpuInUse) {
  return {
    id: text(id, ID_CHARACTERS_MAX, 'gpus'),
    ...amounts(use),
    powerWatts: optional(powerWatts, (watts) => count(watts, 'powerWatts', MAX_UINT32)),
    temperature,
    jobs: list<GpuJobUse | wire.GpuJobUse, GpuJobUse>(jobs, GPU_SHARES_MAX, 'jobs', (each) => ({
      job: jobId(each.job),
      ...amounts(each)
    }))
  }
}

const MAX_UINT32 = 2 ** 32 - 1

function amounts({ busyPercent, memoryBytes }: Pick<GpuInUse, 'busyPercent' | 'memoryBytes'>) {
  return {
    busyPercent: optional(busyPercent, (percent) => count(percent, 'busyPercent', 100)),
    memoryBytes: optional(memoryBytes, (bytes) => count(bytes, 'memoryBytes'))
  }
}

function checked(look: GpuLook): GpuLook {
  const problem = gpuLookProblem(look)
  return problem === undefined ? look : refuse('gpuLook', problem)
}
