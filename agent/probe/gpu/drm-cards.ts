import { isPciAddress } from '../../../protocol/core/gpu.ts'
import type { HostTree } from './host-tree.ts'
import { renderNodeOf } from './pci.ts'

const DRM = 'sys/class/drm'

/** A card of the kernel's graphics: a GPU, or what a server shows its console with. */
export interface DrmCard {
  readonly pci: string
  /** Below the root: `sys/class/drm/card1/device`. */
  readonly device: string
  readonly driver: string | undefined
  readonly renderNode: string | undefined
}

/**
 * Cards of one vendor on the PCI bus, by PCI address. Connectors (`card0-DP-1`) are none, and
 * neither are other vendors': the first card of a server is often its management controller's.
 */
export async function drmCards(tree: HostTree, vendor: string): Promise<readonly DrmCard[]> {
  const cards: DrmCard[] = []
  for (const name of (await tree.names(DRM)).filter((each) => /^card\d+$/.test(each))) {
    const device = `${DRM}/${name}/device`
    if ((await tree.text(`${device}/vendor`)) !== vendor) continue
    const pci = (await tree.target(device)) ?? ''
    if (!isPciAddress(pci)) continue
    const driver = (await tree.target(`${device}/driver`)) ?? (await driverInEvent(tree, device))
    cards.push({ pci, device, driver, renderNode: await renderNodeOf(tree, device) })
  }
  return cards.sort((a, b) => (a.pci < b.pci ? -1 : 1))
}

/** Whether the kernel has a render node of that number. */
export async function hasRenderNode(tree: HostTree, minor: number): Promise<boolean> {
  return await tree.has(`${DRM}/renderD${minor}`)
}

/** A sandbox may hide the link and leave the event. */
async function driverInEvent(tree: HostTree, device: string): Promise<string | undefined> {
  return /^DRIVER=(\S+)$/m.exec((await tree.text(`${device}/uevent`)) ?? '')?.[1]
}

/** Version of a driver of the kernel: its own where it has one, else the kernel's. */
export async function kernelDriver(tree: HostTree, module: string): Promise<string> {
  const own = await tree.text(`sys/module/${module}/version`)
  return own || ((await tree.text('proc/sys/kernel/osrelease')) ?? '')
}
