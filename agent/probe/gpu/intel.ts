import { type DrmCard, drmCards, kernelDriver } from './drm-cards.ts'
import { type GpuDevice, type GpuHost, type GpuReading, healthOf, NO_GPUS } from './gpu-device.ts'
import type { HostTree } from './host-tree.ts'
import { askXpuHealth, askXpuSmi, type XpuFacts } from './intel-tools.ts'
import { numaNodeOf } from './pci.ts'

const VENDOR = '0x8086'
/** Where every CPU of Intel's that has a GPU has it, and its virtual functions. */
const WITH_CPU = /^0000:00:02\./

/** Intel's GPUs by the kernel's graphics, with what xpu-smi knows of them besides. */
export class IntelReader {
  #asked: ReadonlyMap<string, XpuFacts> = new Map()
  #askedFor = ''

  async read(host: GpuHost): Promise<GpuReading> {
    const { tree, run } = host
    const cards: DrmCard[] = []
    for (const card of await drmCards(tree, VENDOR)) {
      if (card.driver !== 'i915' && card.driver !== 'xe') continue
      // What it gave to virtual functions is theirs.
      if (((await tree.number(`${card.device}/sriov_numvfs`)) ?? 0) === 0) cards.push(card)
    }
    if (cards.length === 0) return NO_GPUS
    const warnings: string[] = []
    // Its ids hold until a GPU comes or goes; what a GPU is does not change.
    const all = cards.map(({ pci }) => pci).join()
    if (all !== this.#askedFor) {
      const answer = await askXpuSmi(run)
      warnings.push(...answer.warnings)
      this.#asked = answer.known
      if (answer.warnings.length === 0) this.#askedFor = all
    }
    const health = await askXpuHealth(run, this.#asked)
    const devices: GpuDevice[] = []
    for (const card of cards) {
      const ill = [...host.faults.of(card.pci), ...(health.ill.get(card.pci) ?? [])]
      devices.push(await deviceOf(tree, card, this.#asked.get(card.pci), ill))
    }
    return { devices, warnings: [...warnings, ...health.warnings] }
  }
}

async function deviceOf(
  tree: HostTree,
  card: DrmCard,
  asked: XpuFacts | undefined,
  ill: readonly string[]
): Promise<GpuDevice> {
  const { pci, device, driver = '', renderNode } = card
  const sharedMemory = WITH_CPU.test(pci)
  const physical = await tree.target(`${device}/physfn`)
  const memoryBytes = sharedMemory
    ? undefined
    : ((await ownMemory(tree, card)) ?? asked?.memoryBytes)
  return {
    id: `intel:${pci}`,
    vendor: 'intel',
    model: asked?.model ?? (await plainName(tree, device)),
    pci,
    memoryBytes,
    sharedMemory,
    driver: await kernelDriver(tree, driver),
    architecture: '',
    numaNode: await numaNodeOf(tree, pci),
    parent: physical === undefined ? undefined : `intel:${physical}`,
    nodes: renderNode === undefined ? [] : [renderNode],
    ...healthOf(ill)
  }
}

/**
 * By xe, tile for tile. i915 says nothing, or in some builds one figure. The size of a window on
 * the bus is no memory: it is rounded up, and small where firmware is old.
 */
async function ownMemory(tree: HostTree, { device }: DrmCard): Promise<number | undefined> {
  let bytes = 0
  for (const name of (await tree.names(device)).filter((each) => /^tile\d$/.test(each))) {
    const text = (await tree.text(`${device}/${name}/physical_vram_size_bytes`)) ?? ''
    // Hexadecimal in most versions.
    if (/^(?:0x[0-9a-f]{1,13}|\d{1,15})$/i.test(text)) bytes += Number(text)
  }
  if (bytes > 0) return bytes
  const card = (await tree.names(`${device}/drm`)).find((name) => /^card\d+$/.test(name))
  const figure = await tree.number(`${device}/drm/${card ?? 'card'}/lmem_total_bytes`)
  return figure === 0 ? undefined : figure
}

async function plainName(tree: HostTree, device: string): Promise<string> {
  const number = /^0x([0-9a-f]{4})$/i.exec((await tree.text(`${device}/device`)) ?? '')?.[1]
  return number === undefined ? 'Intel GPU' : `Intel GPU (8086:${number.toLowerCase()})`
}
