import type { Gpu } from './gpu.ts'
import { GPU_VENDORS, type GpuVendor, vendorOf } from './gpu.ts'
import { GPUS_MAX } from './gpu-limits.ts'
import { GPU_SHARES_MAX, GPU_WHOLE } from './gpu-request-limits.ts'

/** A GPU that jobs may share, and how many at most. */
export interface GpuSlots {
  readonly id: string
  /** From 2 to GPU_SHARES_MAX. */
  readonly slots: number
}

/** On which terms an owner gives GPUs to jobs; each that is not named goes to one at a time. */
export interface GpuTerms {
  /** No id twice. */
  readonly shares: readonly GpuSlots[]
  /** Whether untrusted jobs get any. */
  readonly untrusted: boolean
  /** Whose they do not get all the same, by what hands them over there; absent is nobody's. */
  readonly trustedOnly?: readonly GpuVendor[] | undefined
}

/** What a job holds of a GPU. */
export interface GpuHold {
  readonly id: string
  /** Of GPU_WHOLE, which is all of it. */
  readonly units: number
  /** The GPU that it is a part of: while one of both is held the other is not free. */
  readonly parent?: string | undefined
}

/** What all jobs of an agent hold of one GPU. */
export interface GpuUse extends GpuHold {
  /** Their ids, at most GPU_SHARES_MAX. */
  readonly jobs: readonly string[]
}

/** The GPUs of a host, by what it says of them. */
export interface GpuOffer {
  readonly gpus?: readonly Gpu[] | undefined
  /** Absent: no shares, nothing for untrusted jobs. */
  readonly gpuTerms?: GpuTerms | undefined
}

export interface GpuRoom extends GpuOffer {
  /** Of one GPU each, as many times as jobs hold it. */
  readonly gpusHeld?: readonly GpuHold[] | undefined
}

/** What is wrong with what an agent says of its terms; undefined for nothing. */
export function gpuTermsProblem({ shares, trustedOnly = [] }: GpuTerms): string | undefined {
  const isKnown = trustedOnly.every((vendor) => GPU_VENDORS.includes(vendor))
  if (!isKnown || new Set(trustedOnly).size < trustedOnly.length) return 'has a vendor that is none'

  if (shares.length > GPUS_MAX)
    return `has ${shares.length} shares, at most ${GPUS_MAX} are allowed`
  if (new Set(shares.map(({ id }) => id)).size < shares.length) return 'has one id twice'
  const isSound = shares.every(({ id, slots }) => {
    return vendorOf(id) !== undefined && isWithin(slots, 2, GPU_SHARES_MAX)
  })
  return isSound ? undefined : 'has a share that may not be so'
}

/** Likewise, of what its jobs hold. */
export function gpusHeldProblem(held: readonly GpuUse[]): string | undefined {
  if (held.length > GPUS_MAX) return `has ${held.length} entries, at most ${GPUS_MAX} are allowed`
  if (new Set(held.map(({ id }) => id)).size < held.length) return 'has one id twice'
  const isSound = held.every(({ id, units, parent, jobs }) => {
    const isChild = parent === undefined || (parent !== id && vendorOf(parent) !== undefined)
    const isCounted = isWithin(units, 1, GPU_WHOLE) && jobs.length <= GPU_SHARES_MAX
    return vendorOf(id) !== undefined && isCounted && isChild
  })
  return isSound ? undefined : 'has an entry that may not be so'
}

/** One entry for each GPU that is held, in the order of their ids. */
export function usesOf(
  holds: Iterable<readonly [jobId: string, holds: readonly GpuHold[]]>
): readonly GpuUse[] {
  const uses = new Map<string, GpuUse>()
  for (const [jobId, each] of holds) {
    for (const { id, units, parent } of each) {
      const before = uses.get(id)
      const sum = Math.min(GPU_WHOLE, (before?.units ?? 0) + units)
      const jobs = [...(before?.jobs ?? []), jobId].slice(0, GPU_SHARES_MAX)
      uses.set(id, { id, units: sum, ...(parent === undefined ? {} : { parent }), jobs })
    }
  }
  return [...uses.values()].sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, GPUS_MAX)
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && value >= least && value <= most
}
