import { GPU_VENDORS, type GpuVendor } from '../core/gpu.ts'
import { GPUS_MAX } from '../core/gpu-limits.ts'
import { GPU_SHARES_MAX, GPU_WHOLE } from '../core/gpu-request-limits.ts'
import { type GpuTerms, type GpuUse, gpusHeldProblem, gpuTermsProblem } from '../core/gpu-terms.ts'
import { count, jobId, list, refuse, text } from './fields.ts'
import type * as wire from './generated/gossip.ts'

/* On which terms GPUs are given, and what is held of them: fields 26 and 27 of an advertisement. */

/** Most elements of their lists, refused while they are read. */
export const GPU_TERMS_LIMITS = { shares: GPUS_MAX, trustedOnly: GPU_VENDORS.length }
export const GPU_HELD_LIMITS = { jobs: GPU_SHARES_MAX }
/** Characters of an id: what may stand in it core knows. */
const ID_CHARACTERS_MAX = 1_024

/** Absent where nothing is said: agents of before could not hear it. */
export function gpuTermsToWire(terms: GpuTerms | undefined): wire.GpuTerms | undefined {
  if (terms === undefined || isNothing(terms)) return undefined
  return { trustedOnly: [], ...termsOf(checkedTerms(terms)) }
}

export function gpuTermsFromWire(terms: wire.GpuTerms | undefined): {
  readonly gpuTerms?: GpuTerms
} {
  if (terms === undefined) return {}
  if (isNothing(terms)) return refuse('gpuTerms', 'says nothing')
  return { gpuTerms: checkedTerms(termsOf(terms)) }
}

export function gpusHeldToWire(held: readonly GpuUse[] = []): wire.GpuHeld[] {
  return list(checkedHeld(held), GPUS_MAX, 'gpusHeld', holdOf)
}

export function gpusHeldFromWire(held: readonly wire.GpuHeld[]): {
  readonly gpusHeld?: readonly GpuUse[]
} {
  if (held.length === 0) return {}
  return { gpusHeld: checkedHeld(list(held, GPUS_MAX, 'gpusHeld', holdOf)) }
}

function isNothing({ shares, untrusted }: GpuTerms | wire.GpuTerms): boolean {
  return shares.length === 0 && !untrusted
}

function termsOf({ shares, untrusted, trustedOnly = [] }: GpuTerms | wire.GpuTerms) {
  // Of others core says what is wrong with them.
  const vendors = list(
    trustedOnly,
    GPU_VENDORS.length,
    'trustedOnly',
    (vendor) => vendor as GpuVendor
  )
  return {
    ...(vendors.length === 0 ? {} : { trustedOnly: vendors }),
    shares: list<{ readonly id: string; readonly slots: number }, { id: string; slots: number }>(
      shares,
      GPUS_MAX,
      'gpuTerms',
      ({ id, slots }) => ({ id: idOf(id), slots: count(slots, 'slots', GPU_SHARES_MAX, 2) })
    ),
    untrusted
  }
}

function holdOf({ id, units, parent, jobs }: GpuUse | wire.GpuHeld) {
  return {
    id: idOf(id),
    units: count(units, 'units', GPU_WHOLE, 1),
    ...(parent === undefined ? {} : { parent: idOf(parent) }),
    jobs: list(jobs, GPU_SHARES_MAX, 'jobs', (job) => jobId(job))
  }
}

function idOf(id: string): string {
  return text(id, ID_CHARACTERS_MAX, 'gpus')
}

function checkedTerms(terms: GpuTerms): GpuTerms {
  const problem = gpuTermsProblem(terms)
  return problem === undefined ? terms : refuse('gpuTerms', problem)
}

function checkedHeld(held: readonly GpuUse[]): readonly GpuUse[] {
  const problem = gpusHeldProblem(held)
  return problem === undefined ? held : refuse('gpusHeld', problem)
}
