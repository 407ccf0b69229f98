import {
  GPU_DRIVER_CHARACTERS_MAX,
  GPU_NUMA_NODE_MAX,
  GPU_REASON_CHARACTERS_MAX,
  GPU_REASONS_MAX,
  GPUS_BYTES_MAX,
  GPUS_MAX
} from './gpu-limits.ts'
import { NAME_CHARACTERS_MAX } from './limits.ts'

export const GPU_VENDORS = ['nvidia', 'amd', 'intel'] as const
export type GpuVendor = (typeof GPU_VENDORS)[number]

/** `lost`: it was here since the agent's start, and is not any more. */
export const GPU_HEALTHS = ['ok', 'unhealthy', 'lost'] as const
export type GpuHealth = (typeof GPU_HEALTHS)[number]

/** What jobs can have of a host's GPUs: a whole one, or one part of one that is divided. */
export interface Gpu {
  /**
   * The same as long as the device is: `nvidia:GPU-<uuid>`, `nvidia:MIG-<uuid>`,
   * `amd:<unique id>-<function>`, `amd:<PCI address>`, `intel:<PCI address>`.
   */
  readonly id: string
  readonly vendor: GpuVendor
  readonly model: string
  /** `0000:0c:00.0`; '' where there is none. Of a part its GPU's. */
  readonly pci: string
  /** Undefined where it is not known, or is the host's own. */
  readonly memoryBytes: number | undefined
  /** It has no memory but the host's. */
  readonly sharedMemory: boolean
  /** Version of its driver, of a kernel's own driver the kernel's; '' where not known. */
  readonly driver: string
  /** `sm_90` for compute capability 9.0, `gfx90a`; '' where not known. */
  readonly architecture: string
  readonly numaNode: number | undefined
  /** Id of the GPU that it is a part of, which is not offered itself. */
  readonly parent: string | undefined
  readonly health: GpuHealth
  /** Why no job gets it, for people; none where it is well. */
  readonly reasons: readonly string[]
}

const ID = /^(nvidia|amd|intel):[A-Za-z0-9][A-Za-z0-9./:_-]*$/
const PCI = /^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/
const ARCHITECTURE = /^(sm_\d{2,3}|gfx[0-9a-f]{3,5})$/
/** Control characters and halves of a character: neither can be sent. */
const UNSENDABLE =
  /[\u0000-\u001f\u007f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

/** Whose it is by its id; undefined for what is no id of a GPU. */
export function vendorOf(id: string): GpuVendor | undefined {
  return isId(id) ? (ID.exec(id)?.[1] as GpuVendor) : undefined
}

export function isPciAddress(text: string): boolean {
  return PCI.test(text)
}

/** What is wrong with what an agent says of its GPUs; undefined for nothing. */
export function gpusProblem(gpus: readonly Gpu[]): string | undefined {
  if (gpus.length > GPUS_MAX) return `has ${gpus.length} entries, at most ${GPUS_MAX} are allowed`
  if (new Set(gpus.map(({ id }) => id)).size < gpus.length) return 'has one id twice'
  const bytes = gpus.reduce((sum, gpu) => sum + bytesOf(gpu), 0)
  if (bytes > GPUS_BYTES_MAX) return `has ${bytes} bytes, at most ${GPUS_BYTES_MAX} are allowed`
  for (const gpu of gpus) {
    const problem = gpuProblem(gpu)
    if (problem !== undefined) return problem
  }
  return undefined
}

function gpuProblem(gpu: Gpu): string | undefined {
  const { memoryBytes, numaNode, parent, reasons } = gpu
  const checks: readonly (readonly [string, boolean])[] = [
    ['id', vendorOf(gpu.id) === gpu.vendor],
    ['model', gpu.model !== '' && isLine(gpu.model, NAME_CHARACTERS_MAX)],
    ['pci', gpu.pci === '' || isPciAddress(gpu.pci)],
    ['memoryBytes', memoryBytes === undefined || inRange(memoryBytes, 1, Number.MAX_SAFE_INTEGER)],
    ['sharedMemory', !gpu.sharedMemory || memoryBytes === undefined],
    ['driver', isLine(gpu.driver, GPU_DRIVER_CHARACTERS_MAX)],
    ['architecture', gpu.architecture === '' || ARCHITECTURE.test(gpu.architecture)],
    ['numaNode', numaNode === undefined || inRange(numaNode, 0, GPU_NUMA_NODE_MAX)],
    ['parent', parent === undefined || (vendorOf(parent) === gpu.vendor && parent !== gpu.id)],
    ['health', (gpu.health === 'ok') === (reasons.length === 0)],
    ['reasons', reasons.length <= GPU_REASONS_MAX && reasons.every(isReason)]
  ]
  const broken = checks.find(([, holds]) => !holds)?.[0]
  return broken === undefined ? undefined : `has a ${broken} that may not be so`
}

/**
 * What may be said of these GPUs: texts cut and cleaned, what is no fact left out, and no more of
 * them than the limits allow. Whatever a tool printed, the agent must be heard.
 */
export function boundedGpus(gpus: readonly Gpu[]): readonly Gpu[] {
  const bounded: Gpu[] = []
  const ids = new Set<string>()
  let bytes = 0
  for (const gpu of gpus) {
    const next = boundedGpu(gpu)
    if (next === undefined || ids.has(next.id) || bounded.length === GPUS_MAX) continue
    bytes += bytesOf(next)
    if (bytes > GPUS_BYTES_MAX) break
    ids.add(next.id)
    bounded.push(next)
  }
  return bounded
}

function boundedGpu(gpu: Gpu): Gpu | undefined {
  const { id, vendor, sharedMemory, parent } = gpu
  if (vendorOf(id) !== vendor) return undefined
  const isPart = parent !== id && vendorOf(parent ?? '') === vendor
  return {
    id,
    vendor,
    model: cleanLine(gpu.model, NAME_CHARACTERS_MAX) || 'unknown',
    pci: isPciAddress(gpu.pci) ? gpu.pci : '',
    memoryBytes: sharedMemory ? undefined : onlyIn(gpu.memoryBytes, 1, Number.MAX_SAFE_INTEGER),
    sharedMemory,
    driver: cleanLine(gpu.driver, GPU_DRIVER_CHARACTERS_MAX),
    architecture: ARCHITECTURE.test(gpu.architecture) ? gpu.architecture : '',
    numaNode: onlyIn(gpu.numaNode, 0, GPU_NUMA_NODE_MAX),
    parent: isPart ? parent : undefined,
    ...boundedHealth(gpu)
  }
}

function boundedHealth(gpu: Gpu): Pick<Gpu, 'health' | 'reasons'> {
  const reasons = gpu.reasons
    .map((reason) => cleanLine(reason, GPU_REASON_CHARACTERS_MAX))
    .filter((reason) => reason !== '')
    .slice(0, GPU_REASONS_MAX)
  if (gpu.health === 'ok') return { health: reasons.length > 0 ? 'unhealthy' : 'ok', reasons }
  // One that is ill for a reason that cannot be said is ill all the same.
  return { health: gpu.health, reasons: reasons.length > 0 ? reasons : ['no reason is known'] }
}

/** One line of text that can be sent, of at most `max` characters, cut with an ellipsis. */
export function cleanLine(text: string, max: number): string {
  const clean = text
    .slice(0, 4 * max)
    .replace(UNSENDABLE, ' ')
    .replace(/ {2,}/g, ' ')
    .trim()
  const characters = [...clean]
  return characters.length <= max
    ? clean
    : `${characters
        .slice(0, max - 1)
        .join('')
        .trim()}…`
}

function isReason(text: string): boolean {
  return text !== '' && isLine(text, GPU_REASON_CHARACTERS_MAX)
}

function isId(text: string): boolean {
  return text.length <= NAME_CHARACTERS_MAX && ID.test(text)
}

function isLine(text: string, max: number): boolean {
  return text.length <= 2 * max && [...text].length <= max && text.search(UNSENDABLE) < 0
}

function onlyIn(value: number | undefined, least: number, most: number): number | undefined {
  return value !== undefined && inRange(value, least, most) ? value : undefined
}

export function inRange(value: number, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && value >= least && value <= most
}

function bytesOf({ id, model, pci, driver, architecture, parent = '', reasons }: Gpu): number {
  const texts = [id, model, pci, driver, architecture, parent, ...reasons]
  return new TextEncoder().encode(texts.join('')).length
}
