import { GPU_VENDORS, type Gpu, type GpuVendor, inRange } from './gpu.ts'
import {
  GPU_COMPUTE_TENTHS_MAX,
  GPU_COMPUTE_TENTHS_MIN,
  GPU_MEMORY_BYTES_MAX,
  GPU_MEMORY_BYTES_MIN,
  GPU_MIG_CHARACTERS_MAX,
  GPU_MODEL_PATTERN_CHARACTERS_MAX,
  GPU_MODEL_STARS_MAX,
  GPU_SHARES_MAX,
  GPUS_PER_JOB_MAX
} from './gpu-request-limits.ts'

/** The GPUs that a job asks for: each of them must be as all of this says. */
export interface GpuRequest {
  /** From 1 to GPUS_PER_JOB_MAX. */
  readonly count: number
  readonly vendor?: GpuVendor | undefined
  /** On the whole model, upper and lower case alike; `*` stands for anything. */
  readonly model?: string | undefined
  /** At least; a GPU whose memory is not known has none. */
  readonly memoryBytes?: number | undefined
  /** Ten times the least compute capability, 80 for 8.0: NVIDIA's alone. */
  readonly computeTenths?: number | undefined
  /** `gfx942`, exactly: code for one version does not run on another. AMD's alone. */
  readonly gfx?: string | undefined
  /** Parts of that profile, `1g.10gb`, exactly: NVIDIA's alone. */
  readonly mig?: string | undefined
  /** All on one NUMA node; absent is no. */
  readonly sameNuma?: boolean | undefined
  /** 4 where a quarter of each is enough, from 2 to GPU_SHARES_MAX; absent is all of it. */
  readonly shareOf?: number | undefined
}

const GFX = /^gfx[0-9a-f]{3,5}$/
const MIG = /^[0-9a-z][0-9a-z.+-]*$/
const MODEL = /^[\u0020-\u007e]+$/
const MIG_ID = /^nvidia:MIG-/
const MIG_MODEL = / MIG (\S+)$/
const COMPUTE = /^sm_(\d{2,3})$/

/** True for a gfx version as a job may name it. */
export function isGfx(text: string): boolean {
  return GFX.test(text)
}

/** True for a MIG profile as a job may name it. */
export function isMigProfile(text: string): boolean {
  return text.length <= GPU_MIG_CHARACTERS_MAX && MIG.test(text)
}

/** True for a pattern of models: ASCII, with few enough stars. */
export function isModelPattern(text: string): boolean {
  if (text.length > GPU_MODEL_PATTERN_CHARACTERS_MAX || !MODEL.test(text)) return false
  return starsOf(text) <= GPU_MODEL_STARS_MAX
}

/** What is wrong with a request; undefined for nothing. */
export function gpuRequestProblem(request: GpuRequest): string | undefined {
  const { count, vendor, model, memoryBytes, computeTenths, gfx, mig, shareOf } = request
  const asksNvidia = computeTenths !== undefined || mig !== undefined
  const checks: readonly (readonly [string, boolean])[] = [
    ['count', inRange(count, 1, GPUS_PER_JOB_MAX)],
    ['vendor', vendor === undefined || GPU_VENDORS.includes(vendor)],
    ['model', model === undefined || isModelPattern(model)],
    ['memory', isIn(memoryBytes, GPU_MEMORY_BYTES_MIN, GPU_MEMORY_BYTES_MAX)],
    ['compute capability', isIn(computeTenths, GPU_COMPUTE_TENTHS_MIN, GPU_COMPUTE_TENTHS_MAX)],
    ['gfx version', gfx === undefined || isGfx(gfx)],
    ['MIG profile', mig === undefined || isMigProfile(mig)],
    ['share', isIn(shareOf, 2, GPU_SHARES_MAX)],
    ['vendor', !asksNvidia || vendor === undefined || vendor === 'nvidia'],
    ['vendor', gfx === undefined || vendor === undefined || vendor === 'amd'],
    ['gfx version', gfx === undefined || !asksNvidia]
  ]
  const broken = checks.find(([, holds]) => !holds)?.[0]
  return broken === undefined ? undefined : `has a ${broken} that may not be so`
}

/** True where the whole model is as the pattern says, in upper or lower case. */
export function matchesModel(pattern: string, model: string): boolean {
  const parts = pattern.toLowerCase().split(/\*+/)
  const name = model.toLowerCase()
  const [first = '', ...rest] = parts
  const last = rest.pop()
  if (last === undefined) return first === name
  if (!name.startsWith(first)) return false
  let at = first.length
  // The first place of each is the best: what is behind it has the most room.
  for (const part of rest) {
    const found = name.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return name.length - last.length >= at && name.endsWith(last)
}

/** The MIG profile of a part, `1g.10gb`; undefined for every other GPU. */
export function migProfileOf({ id, model }: Pick<Gpu, 'id' | 'model'>): string | undefined {
  return MIG_ID.test(id) ? (MIG_MODEL.exec(model)?.[1] ?? '') : undefined
}

/** Ten times its compute capability; undefined where there is none. */
export function computeTenthsOf({ architecture }: Pick<Gpu, 'architecture'>): number | undefined {
  const digits = COMPUTE.exec(architecture)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** `8.0`, of ten times that. */
export function formatCompute(tenths: number): string {
  return `${Math.floor(tenths / 10)}.${tenths % 10}`
}

function starsOf(pattern: string): number {
  return pattern.match(/\*+/g)?.length ?? 0
}

function isIn(value: number | undefined, least: number, most: number): boolean {
  return value === undefined || inRange(value, least, most)
}
