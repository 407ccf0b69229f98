import type { HostTree } from './host-tree.ts'

const NODES = 'sys/class/kfd/kfd/topology/nodes'
/** Kinds of memory that are a GPU's own: open to the host, and not. */
const OWN_MEMORY = new Set([1n, 2n])
const BANKS_MAX = 16

/** A GPU, or a part of one, as AMD's compute driver has it. */
export interface KfdNode {
  /** `gfx90a`. */
  readonly gfx: string
  /** Of a part with the function of its own that no device on the bus has. */
  readonly pci: string
  /** 16 hex digits; undefined where the GPU has none. */
  readonly uniqueId: string | undefined
  /** Of /dev/dri/renderDN. */
  readonly renderMinor: number
  readonly memoryBytes: number | undefined
  /** In one package with the host's CPU. */
  readonly isApu: boolean
}

export interface Kfd {
  readonly isHere: boolean
  readonly nodes: readonly KfdNode[]
}

/** GPUs of AMD's compute driver; its nodes are CPUs as well. */
export async function readKfd(tree: HostTree): Promise<Kfd> {
  const names = (await tree.names(NODES)).filter((name) => /^\d{1,4}$/.test(name))
  const nodes: KfdNode[] = []
  for (const name of names.sort((a, b) => Number(a) - Number(b))) {
    const dir = `${NODES}/${name}`
    const facts = factsIn((await tree.text(`${dir}/properties`)) ?? '')
    const node = nodeOf(facts)
    if (node !== undefined) nodes.push({ ...node, memoryBytes: await memoryOf(tree, dir) })
  }
  return { isHere: names.length > 0, nodes }
}

/** Undefined for a CPU, and for what may not be read. */
function nodeOf(facts: Facts): Omit<KfdNode, 'memoryBytes'> | undefined {
  const { simd_count: simds = 0n, drm_render_minor: minor = 0n } = facts
  if (simds === 0n || minor === 0n) return undefined
  const { unique_id: id = 0n, location_id: location = 0n, domain = 0n } = facts
  return {
    gfx: gfxOf(facts['gfx_target_version'] ?? 0n),
    pci: pciOf(domain, location),
    uniqueId: id === 0n ? undefined : uniqueIdText(id),
    renderMinor: Number(minor),
    isApu: (facts['cpu_cores_count'] ?? 0n) > 0n
  }
}

/** As its own file of sysfs spells it. */
export function uniqueIdText(id: bigint): string {
  return id.toString(16).padStart(16, '0')
}

type Facts = Readonly<Record<string, bigint>>

/** `key value` lines. Ids take 64 bits: as numbers, two GPUs could be one. */
function factsIn(text: string): Facts {
  const facts: Record<string, bigint> = Object.create(null)
  for (const line of text.split('\n')) {
    const [, key, value] = /^(\w{1,64}) (\d{1,20})$/.exec(line.trim()) ?? []
    if (key !== undefined && value !== undefined) facts[key] = BigInt(value)
  }
  return facts
}

async function memoryOf(tree: HostTree, dir: string): Promise<number | undefined> {
  let bytes = 0n
  for (const bank of (await tree.names(`${dir}/mem_banks`)).slice(0, BANKS_MAX)) {
    const facts = factsIn((await tree.text(`${dir}/mem_banks/${bank}/properties`)) ?? '')
    if (OWN_MEMORY.has(facts['heap_type'] ?? 0n)) bytes += facts['size_in_bytes'] ?? 0n
  }
  return bytes > 0n && bytes <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(bytes) : undefined
}

/** `MMmmss` in decimal: 90010 is gfx90a. */
function gfxOf(version: bigint): string {
  if (version === 0n || version > 999_999n) return ''
  const major = version / 10_000n
  const minor = ((version / 100n) % 100n).toString(16)
  return `gfx${major}${minor}${(version % 100n).toString(16)}`
}

function pciOf(domain: bigint, location: bigint): string {
  const hex = (value: bigint, digits: number): string => value.toString(16).padStart(digits, '0')
  const bus = (location >> 8n) & 0xffn
  const device = (location >> 3n) & 0x1fn
  return `${hex(domain & 0xffff_ffffn, 4)}:${hex(bus, 2)}:${hex(device, 2)}.${location & 7n}`
}
