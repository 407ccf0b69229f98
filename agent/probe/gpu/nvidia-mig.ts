import { GPU_ENTRIES_MAX } from '../../../protocol/core/gpu-limits.ts'
import { NVIDIA_SMI } from './nvidia-query.ts'
import type { RunTool } from './tools.ts'

const MIB = 1_048_576
const PARENT = /^GPU \d+: .+ \(UUID: (GPU-[0-9a-f-]+)\)\s*$/
const PART = /^\s+MIG (\S+)\s+Device\s+(\d+): \(UUID: (MIG-[A-Za-z0-9/-]+)\)\s*$/

/** A part of a GPU that NVIDIA's driver made of it. */
export interface MigDevice {
  /** `MIG-...`. */
  readonly uuid: string
  /** `1g.10gb`. */
  readonly profile: string
  /** Undefined where the tool does not say. Parts of one GPU instance share it. */
  readonly memoryBytes: number | undefined
}

export interface MigListing {
  /** By the UUID of their GPU. */
  readonly parts: ReadonlyMap<string, readonly MigDevice[]>
  readonly warnings: readonly string[]
}

/** Parts of all GPUs. Only asked where a GPU has them: it takes the tool twice as long. */
export async function listMig(run: RunTool): Promise<MigListing> {
  const listed = await run(NVIDIA_SMI, ['-L'])
  if (listed.kind !== 'said') {
    return { parts: new Map(), warnings: ['nvidia-smi -L lists no MIG devices'] }
  }
  const detailed = await run(NVIDIA_SMI, ['-q', '-x'])
  const memory =
    detailed.kind === 'said' ? migMemory(detailed.text, 'total') : new Map<string, number>()
  const warnings =
    detailed.kind === 'said' ? [] : ['nvidia-smi -q -x gives no memory of MIG devices']
  return { parts: partsIn(listed.text, memory), warnings }
}

/** Bytes in use of each part, by its UUID. Empty where the tool does not say. */
export async function usedOfMig(run: RunTool): Promise<ReadonlyMap<string, number>> {
  const listed = await run(NVIDIA_SMI, ['-L'])
  const detailed = await run(NVIDIA_SMI, ['-q', '-x'])
  if (listed.kind !== 'said' || detailed.kind !== 'said') return new Map()
  const parts = [...partsIn(listed.text, migMemory(detailed.text, 'used')).values()].flat()
  return new Map(
    parts.flatMap(({ uuid, memoryBytes }) =>
      memoryBytes === undefined ? [] : [[uuid, memoryBytes] as const]
    )
  )
}

function partsIn(
  text: string,
  memory: ReadonlyMap<string, number>
): ReadonlyMap<string, readonly MigDevice[]> {
  const parts = new Map<string, MigDevice[]>()
  let parent = ''
  let count = 0
  for (const line of text.split('\n')) {
    parent = PARENT.exec(line)?.[1] ?? parent
    const [, profile, index, uuid] = PART.exec(line) ?? []
    if (parent === '' || profile === undefined || uuid === undefined) continue
    const part = { uuid, profile, memoryBytes: memory.get(`${parent} ${index}`) }
    const known = parts.get(parent)
    if (known === undefined) parts.set(parent, [part])
    else known.push(part)
    count += 1
    if (count === GPU_ENTRIES_MAX) break
  }
  return parts
}

/**
 * Bytes of each MIG device of `nvidia-smi -q -x`, by `<GPU uuid> <index>`. Of that document only
 * these elements are read, whatever else is in it.
 */
function migMemory(xml: string, figure: 'total' | 'used'): ReadonlyMap<string, number> {
  const wanted = new RegExp(`<${figure}>\\s*(\\d{1,9}) MiB\\s*</${figure}>`)
  const memory = new Map<string, number>()
  for (const gpu of xml.split(/<gpu id=/).slice(1)) {
    const parts = gpu.split('<mig_device>').slice(1)
    const uuid = /<uuid>\s*(GPU-[0-9a-f-]+)\s*<\/uuid>/.exec(gpu)?.[1] ?? ''
    for (const part of parts) {
      const index = /<index>\s*(\d{1,3})\s*<\/index>/.exec(part)?.[1]
      const start = part.indexOf('<fb_memory_usage>')
      const mib = wanted.exec(start < 0 ? '' : part.slice(start))?.[1]
      if (index !== undefined && mib !== undefined)
        memory.set(`${uuid} ${index}`, Number(mib) * MIB)
    }
  }
  return memory
}
