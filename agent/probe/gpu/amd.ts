import { type AmdFacts, askAmdTools } from './amd-tools.ts'
import { type DrmCard, drmCards, hasRenderNode, kernelDriver } from './drm-cards.ts'
import { type GpuDevice, type GpuHost, type GpuReading, healthOf, NO_GPUS } from './gpu-device.ts'
import type { HostTree } from './host-tree.ts'
import { type KfdNode, readKfd, uniqueIdText } from './kfd.ts'
import { numaNodeOf } from './pci.ts'

const VENDOR = '0x1002'
/** GPUs in one package with their CPU, whose memory they share, by what they are. */
const APUS = /^gfx(?:902|909|90c|1013|103[3-7]|1103|115[0-3])$/

/**
 * AMD's GPUs, by the kernel's graphics and by its compute driver, which knows the parts of one that
 * is divided. Tools are asked once for what neither says of a GPU.
 */
export class AmdReader {
  readonly #asked = new Map<string, AmdFacts | undefined>()

  async read(host: GpuHost): Promise<GpuReading> {
    const { tree } = host
    const cards = (await drmCards(tree, VENDOR)).filter(({ driver }) => driver === 'amdgpu')
    const kfd = await readKfd(tree)
    const units = await unitsOf(tree, cards, kfd.nodes)
    if (units.length === 0) return NO_GPUS
    const warnings: string[] = []
    if (!kfd.isHere)
      warnings.push("AMD's compute driver (/dev/kfd) is not loaded: ROCm does not run")
    warnings.push(...(await this.#ask(host, units)))
    const driver = await kernelDriver(tree, 'amdgpu')
    const devices: GpuDevice[] = []
    for (const unit of units) {
      devices.push(await deviceOf(host, unit, driver, this.#asked.get(unit.slot)))
    }
    return { devices, warnings }
  }

  /** Once for each GPU: the tools are slow, and what it is does not change. */
  async #ask({ run }: GpuHost, units: readonly AmdUnit[]): Promise<readonly string[]> {
    const news = units.filter((unit) => !this.#asked.has(unit.slot) && isLacking(unit))
    if (news.length === 0) return []
    const { known, warnings } = await askAmdTools(run)
    const isAnswered = warnings.length === 0 || known.size > 0
    for (const { slot } of news) if (isAnswered) this.#asked.set(slot, known.get(slot))
    return warnings
  }
}

/** One GPU, or one part of one. */
interface AmdUnit {
  /** PCI address of the GPU itself. */
  readonly slot: string
  readonly card: (DrmCard & CardFacts) | undefined
  readonly node: KfdNode | undefined
  /** Of how many of its GPU. */
  readonly parts: number
}

interface CardFacts {
  readonly model: string | undefined
  readonly uniqueId: string | undefined
  readonly memoryBytes: number | undefined
}

async function unitsOf(
  tree: HostTree,
  cards: readonly DrmCard[],
  nodes: readonly KfdNode[]
): Promise<readonly AmdUnit[]> {
  const left = new Set(nodes)
  const units: AmdUnit[] = []
  for (const card of cards) {
    const own = nodes.filter((node) => left.has(node) && isOf(node, card, cards))
    for (const node of own) left.delete(node)
    const known = { ...card, ...(await cardFacts(tree, card)) }
    const parts = own.length
    const of = (node: KfdNode | undefined): AmdUnit => ({
      slot: card.pci,
      card: known,
      node,
      parts
    })
    units.push(...(parts === 0 ? [of(undefined)] : own.map(of)))
  }
  // Where the kernel's graphics may not be looked at.
  for (const node of left) {
    const siblings = [...left].filter((other) => slotOf(other.pci) === slotOf(node.pci))
    const slot = `${slotOf(node.pci)}.0`
    const parts = siblings.length
    units.push({ slot: parts > 1 ? slot : node.pci, card: undefined, node, parts })
  }
  return units
}

/** A node by its own address, or a part: it has the address of its card but for the function. */
function isOf({ pci }: KfdNode, card: DrmCard, cards: readonly DrmCard[]): boolean {
  if (pci === card.pci) return true
  return slotOf(pci) === slotOf(card.pci) && !cards.some((other) => other.pci === pci)
}

async function cardFacts(tree: HostTree, { device }: DrmCard): Promise<CardFacts> {
  const id = (await tree.text(`${device}/unique_id`)) ?? ''
  const number = /^[0-9a-f]{1,16}$/i.test(id) ? BigInt(`0x${id}`) : 0n
  const memory = await tree.number(`${device}/mem_info_vram_total`)
  return {
    model: (await tree.text(`${device}/product_name`)) || undefined,
    uniqueId: number === 0n ? undefined : uniqueIdText(number),
    memoryBytes: memory === 0 ? undefined : memory
  }
}

function isLacking({ card, node }: AmdUnit): boolean {
  return card?.model === undefined || (card.memoryBytes ?? node?.memoryBytes) === undefined
}

async function deviceOf(
  { tree, faults }: GpuHost,
  unit: AmdUnit,
  driver: string,
  asked: AmdFacts | undefined
): Promise<GpuDevice> {
  const { card, node, slot, parts } = unit
  const gfx = node?.gfx ?? ''
  const uniqueId = card?.uniqueId ?? node?.uniqueId
  const address = node?.pci ?? slot
  const sharedMemory = node?.isApu === true || APUS.test(gfx)
  const memoryBytes = memoryOf(unit, asked)
  return {
    id: uniqueId === undefined ? `amd:${address}` : `amd:${uniqueId}-${address.slice(-1)}`,
    vendor: 'amd',
    model: card?.model ?? asked?.model ?? (await plainName(tree, card, gfx)),
    pci: slot,
    memoryBytes: sharedMemory ? undefined : memoryBytes,
    sharedMemory,
    driver,
    architecture: gfx,
    numaNode: await numaNodeOf(tree, slot),
    parent: parts > 1 ? `amd:${uniqueId ?? slotOf(slot)}` : undefined,
    nodes: await nodesOf(tree, unit),
    ...healthOf([...faults.of(slot), ...(card === undefined ? [] : await rasErrors(tree, card))])
  }
}

/** A part has what the compute driver gives it; the graphics know the whole GPU's alone. */
function memoryOf({ card, node, parts }: AmdUnit, asked: AmdFacts | undefined): number | undefined {
  if (parts > 1) return node?.memoryBytes
  return node?.memoryBytes ?? card?.memoryBytes ?? asked?.memoryBytes
}

/** `AMD gfx1201 (1002:7550)`: nobody says its name. */
async function plainName(tree: HostTree, card: DrmCard | undefined, gfx: string): Promise<string> {
  const id = card === undefined ? '' : ((await tree.text(`${card.device}/device`)) ?? '')
  const number = /^0x([0-9a-f]{4})$/i.exec(id)?.[1]?.toLowerCase()
  const device = number === undefined ? '' : ` (1002:${number})`
  return `AMD ${gfx || 'GPU'}${device}`
}

/**
 * Its own render node alone. A part's is the one that the compute driver names, where the kernel's
 * graphics have it too: of nodes that were divided once, some stay behind.
 */
async function nodesOf(tree: HostTree, { card, node, parts }: AmdUnit): Promise<readonly string[]> {
  const compute = node === undefined ? [] : ['/dev/kfd']
  const isWhole = parts <= 1 || node?.pci === card?.pci
  if (isWhole && card?.renderNode !== undefined) return [...compute, card.renderNode]
  if (node === undefined || !(await hasRenderNode(tree, node.renderMinor))) return compute
  return [...compute, `/dev/dri/renderD${node.renderMinor}`]
}

/** Uncorrected errors by the part of the GPU that counts them, `umc` being its memory. */
async function rasErrors(tree: HostTree, { device }: DrmCard): Promise<readonly string[]> {
  const reasons: string[] = []
  for (const name of await tree.names(`${device}/ras`)) {
    const block = /^([a-z0-9_]{1,32})_err_count$/.exec(name)?.[1]
    if (block === undefined) continue
    const text = (await tree.text(`${device}/ras/${name}`)) ?? ''
    const count = /^ue: ([1-9]\d{0,15})$/m.exec(text)?.[1]
    if (count !== undefined) reasons.push(`uncorrected errors of its ${block}: ${count}`)
  }
  return reasons
}

function slotOf(pci: string): string {
  return pci.replace(/\.[0-7]$/, '')
}
