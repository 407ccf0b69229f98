import { z } from 'zod'
import { type GpuVendor, vendorOf } from '../../protocol/core/gpu.ts'
import { GPU_SETTINGS_MAX, GPU_SHARES_MAX } from '../../protocol/core/gpu-request-limits.ts'
import type { GpuTerms } from '../../protocol/core/gpu-terms.ts'

const id = z
  .string()
  .refine((text) => vendorOf(text) !== undefined, 'use an id as `agent status` shows it')

const NOT_MORE = `use at most ${GPU_SETTINGS_MAX} ids`

/** What the owner lets jobs have of this host's GPUs: each for itself, unless said otherwise. */
export const gpuSettingsSchema = z
  .strictObject({
    /** Kept from jobs, with all parts of it. */
    ignore: z.array(id).max(GPU_SETTINGS_MAX, NOT_MORE).default([]),
    /** How many trusted jobs may share one, which keeps none of them from the memory of others. */
    shares: z
      .record(id, z.number().int().min(2).max(GPU_SHARES_MAX))
      .refine((shares) => Object.keys(shares).length <= GPU_SETTINGS_MAX, NOT_MORE)
      .default({}),
    /** Runs of forks and of branches that are not the repository's own. */
    untrusted: z.enum(['take', 'refuse']).default('refuse')
  })
  .superRefine(({ ignore, shares }, context) => {
    for (const each of ignore) {
      if (!Object.hasOwn(shares, each)) continue
      const message = 'is ignored as well: take it out of one of both'
      context.addIssue({ code: 'custom', path: ['shares', each], message })
    }
  })
  .prefault({})

export type GpuSettings = z.output<typeof gpuSettingsSchema>

/**
 * What others are told; undefined where the owner says nothing. `trustedOnly` are vendors whose
 * GPUs this host cannot hand to strangers, whatever its owner says.
 */
export function gpuTermsOf(
  { shares, untrusted }: GpuSettings,
  trustedOnly: readonly GpuVendor[] = []
): GpuTerms | undefined {
  const slots = Object.entries(shares).map(([each, count]) => ({ id: each, slots: count }))
  const takes = untrusted === 'take'
  if (slots.length === 0 && !takes) return undefined
  const guarded = takes && trustedOnly.length > 0 ? { trustedOnly } : {}
  return { shares: slots, untrusted: takes, ...guarded }
}
