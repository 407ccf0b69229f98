import { z } from 'zod'
import type { Quantity } from '../core/duration.ts'
import { GPU_VENDORS } from '../core/gpu.ts'
import { type GpuRequest, isGfx, isMigProfile, isModelPattern } from '../core/gpu-request.ts'
import {
  GPU_COMPUTE_TENTHS_MAX,
  GPU_COMPUTE_TENTHS_MIN,
  GPU_MIG_CHARACTERS_MAX,
  GPU_MODEL_PATTERN_CHARACTERS_MAX,
  GPU_MODEL_STARS_MAX,
  GPU_SHARES_MAX,
  GPUS_PER_JOB_MAX
} from '../core/gpu-request-limits.ts'
import { parseGpuMemory, SIZE } from './quantity.ts'
import { type Filling, fillable, quantity, whole } from './shapes.ts'
import { nearest } from './suggestion.ts'
import type { Check } from './text.ts'

const SHARE = /^1\/([2-9]|1[0-6])$/
const COMPUTE = /^([1-9][0-9]?)\.([0-9])$/
const EXCLUSIVE = 'exclusive'

const vendorProblem: Check = (text) => {
  if (GPU_VENDORS.some((vendor) => vendor === text)) return undefined
  const close = nearest(text, GPU_VENDORS)
  const way = close === undefined ? `write ${GPU_VENDORS.join(', ')}` : `did you mean \`${close}\`?`
  return `is no vendor of GPUs: ${way}`
}

const modelProblem: Check = (text) => {
  if (text.length > GPU_MODEL_PATTERN_CHARACTERS_MAX) {
    return `is too long: at most ${GPU_MODEL_PATTERN_CHARACTERS_MAX} characters are allowed`
  }
  if (isModelPattern(text)) return undefined
  return `can match no model: write ASCII, as in *A4000*, with at most ${GPU_MODEL_STARS_MAX} stars`
}

const gfxProblem: Check = (text) => {
  return isGfx(text) ? undefined : 'is no gfx version: write it as in gfx942'
}

const migProblem: Check = (text) => {
  return isMigProfile(text) ? undefined : 'is no MIG profile: write it as in 1g.10gb'
}

/** `1/4`, which is at least that much of a GPU, or `exclusive`, all of it. */
const shareProblem: Check = (text) => {
  if (text === EXCLUSIVE || shareOf(text) !== undefined) return undefined
  return `is no share: write ${EXCLUSIVE}, or 1/2 to 1/${GPU_SHARES_MAX}`
}

const numaProblem: Check = (text) => {
  if (text === 'same' || text === 'any') return undefined
  return 'is no word on NUMA nodes: write same, for GPUs on one node, or any'
}

/** In quotes: as a number 12.0 would be 12. */
function parseCompute(input: unknown): Quantity {
  const match = typeof input === 'string' ? COMPUTE.exec(input) : null
  const value = Number(match?.[1]) * 10 + Number(match?.[2])
  const isKnown = value >= GPU_COMPUTE_TENTHS_MIN && value <= GPU_COMPUTE_TENTHS_MAX
  if (isKnown) return { kind: 'value', value }
  return { kind: 'problem', text: "is no compute capability: write it in quotes, as in '8.0'" }
}

function shareOf(text: string): number | undefined {
  const parts = Number(SHARE.exec(text)?.[1])
  return parts <= GPU_SHARES_MAX ? parts : undefined
}

const keys = (filling: Filling) =>
  z.strictObject({
    count: whole(1, GPUS_PER_JOB_MAX).optional(),
    vendor: fillable(filling, vendorProblem, { enum: GPU_VENDORS }).optional(),
    model: fillable(filling, modelProblem, {
      minLength: 1,
      maxLength: GPU_MODEL_PATTERN_CHARACTERS_MAX
    }).optional(),
    memory: quantity(parseGpuMemory, { type: 'string', pattern: SIZE.source }).optional(),
    compute_capability: quantity(parseCompute, {
      type: 'string',
      pattern: COMPUTE.source
    }).optional(),
    gfx: fillable(filling, gfxProblem, { pattern: '^gfx[0-9a-f]{3,5}$' }).optional(),
    mig: fillable(filling, migProblem, {
      minLength: 1,
      maxLength: GPU_MIG_CHARACTERS_MAX
    }).optional(),
    numa: fillable(filling, numaProblem, { enum: ['same', 'any'] }).optional(),
    share: fillable(filling, shareProblem, {
      pattern: `^${EXCLUSIVE}$|${SHARE.source}`
    }).optional()
  })

/** `gpu` of a job's resources. */
export const gpu = (filling: Filling) =>
  keys(filling).superRefine((found, context) => {
    const clash = clashOf(found)
    if (clash === undefined) return
    context.addIssue({ code: 'custom', message: clash.message, path: [clash.key] })
  })

export type GpuDocument = z.output<ReturnType<typeof gpu>>

interface Clash {
  readonly key: string
  readonly message: string
}

/** Keys of two vendors: no GPU is of both. */
function clashOf({ vendor, compute_capability, gfx, mig }: GpuDocument): Clash | undefined {
  const ofNvidia = compute_capability !== undefined ? 'compute_capability' : 'mig'
  const asksNvidia = compute_capability !== undefined || mig !== undefined
  const isOther = (own: string): boolean =>
    GPU_VENDORS.some((each) => each === vendor) && vendor !== own
  if (asksNvidia && gfx !== undefined) {
    return { key: 'gfx', message: `is of AMD alone, and ${ofNvidia} of NVIDIA: remove one` }
  }
  if (asksNvidia && isOther('nvidia')) {
    return { key: ofNvidia, message: `is of NVIDIA alone, and vendor is ${vendor}: remove one` }
  }
  if (gfx === undefined || !isOther('amd')) return undefined
  return { key: 'gfx', message: `is of AMD alone, and vendor is ${vendor}: remove one` }
}

/** Complete, without the keys that ask for nothing. */
export function gpuRequest(found: GpuDocument): GpuRequest {
  const { count = 1, vendor, model, memory, compute_capability, gfx, mig, numa, share } = found
  const parts = share === undefined ? undefined : shareOf(share)
  return {
    count,
    ...(vendor === undefined ? {} : { vendor: vendor as GpuRequest['vendor'] }),
    ...(model === undefined ? {} : { model }),
    ...(memory === undefined ? {} : { memoryBytes: memory }),
    ...(compute_capability === undefined ? {} : { computeTenths: compute_capability }),
    ...(gfx === undefined ? {} : { gfx }),
    ...(mig === undefined ? {} : { mig }),
    ...(numa === 'same' ? { sameNuma: true } : {}),
    ...(parts === undefined ? {} : { shareOf: parts })
  }
}
