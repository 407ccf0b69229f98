import type { GpuVendor } from '../core/gpu.ts'
import { type GpuRequest, gpuRequestProblem } from '../core/gpu-request.ts'
import {
  GPU_COMPUTE_TENTHS_MAX,
  GPU_COMPUTE_TENTHS_MIN,
  GPU_MEMORY_BYTES_MAX,
  GPU_MEMORY_BYTES_MIN,
  GPU_MIG_CHARACTERS_MAX,
  GPU_MODEL_PATTERN_CHARACTERS_MAX,
  GPU_SHARES_MAX,
  GPUS_PER_JOB_MAX
} from '../core/gpu-request-limits.ts'
import type { FieldReader } from './field-reader.ts'
import type { FieldWriter } from './field-writer.ts'
import { refuse } from './fields.ts'
import { numbered } from './numbered.ts'

/* What a job asks for of GPUs: field 25 of its spec. */

/** As `announcement.proto` numbers them. */
const vendors = numbered<GpuVendor>('gpu vendor', { nvidia: 1, amd: 2, intel: 3 })
const GFX_CHARACTERS_MAX = 8

export function writeGpu(writer: FieldWriter, request: GpuRequest | undefined): void {
  writer.optionalMessage(25, request, writeRequest)
}

export function readGpu(reader: FieldReader): { readonly gpu?: GpuRequest } {
  const gpu = reader.optionalMessage(25, 'gpu', readRequest)
  return gpu === undefined ? {} : { gpu }
}

function writeRequest(writer: FieldWriter, request: GpuRequest): void {
  checked(request)
  writer.optionalCount(9, 'gpu share', request.shareOf, GPU_SHARES_MAX, 2)
  writer.flag(8, 'gpu numa', request.sameNuma === true)
  writer.optionalLine(7, 'gpu mig', request.mig, GPU_MIG_CHARACTERS_MAX)
  writer.optionalLine(6, 'gpu gfx', request.gfx, GFX_CHARACTERS_MAX)
  const { computeTenths } = request
  writer.optionalCount(
    5,
    'gpu compute',
    computeTenths,
    GPU_COMPUTE_TENTHS_MAX,
    GPU_COMPUTE_TENTHS_MIN
  )
  const { memoryBytes } = request
  writer.optionalCount(4, 'gpu memory', memoryBytes, GPU_MEMORY_BYTES_MAX, GPU_MEMORY_BYTES_MIN)
  writer.optionalLine(3, 'gpu model', request.model, GPU_MODEL_PATTERN_CHARACTERS_MAX)
  writer.optionalName(2, request.vendor, vendors)
  writer.count(1, 'gpu count', request.count, GPUS_PER_JOB_MAX, 1)
}

/** Without the fields that ask for nothing. */
function readRequest(reader: FieldReader): GpuRequest {
  const count = reader.count(1, 'gpu count', GPUS_PER_JOB_MAX, 1)
  const vendor = reader.optionalName(2, vendors)
  const model = reader.optionalLine(3, 'gpu model', GPU_MODEL_PATTERN_CHARACTERS_MAX)
  const memoryBytes = reader.optionalCount(
    4,
    'gpu memory',
    GPU_MEMORY_BYTES_MAX,
    GPU_MEMORY_BYTES_MIN
  )
  const computeTenths = reader.optionalCount(
    5,
    'gpu compute',
    GPU_COMPUTE_TENTHS_MAX,
    GPU_COMPUTE_TENTHS_MIN
  )
  const gfx = reader.optionalLine(6, 'gpu gfx', GFX_CHARACTERS_MAX)
  const mig = reader.optionalLine(7, 'gpu mig', GPU_MIG_CHARACTERS_MAX)
  const sameNuma = reader.flag(8, 'gpu numa')
  const shareOf = reader.optionalCount(9, 'gpu share', GPU_SHARES_MAX, 2)
  return checked({
    count,
    ...(vendor === undefined ? {} : { vendor }),
    ...(model === undefined ? {} : { model }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    ...(computeTenths === undefined ? {} : { computeTenths }),
    ...(gfx === undefined ? {} : { gfx }),
    ...(mig === undefined ? {} : { mig }),
    ...(sameNuma ? { sameNuma } : {}),
    ...(shareOf === undefined ? {} : { shareOf })
  })
}

function checked(request: GpuRequest): GpuRequest {
  const problem = gpuRequestProblem(request)
  return problem === undefined ? request : refuse('gpu', problem)
}
