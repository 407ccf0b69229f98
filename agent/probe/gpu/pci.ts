import { isPciAddress } from '../../../protocol/core/gpu.ts'
import type { HostTree } from './host-tree.ts'

export const PCI_DEVICES = 'sys/bus/pci/devices'
/** First byte of the class of what shows or computes pictures. */
const DISPLAY = /^0x03/

/** `0000:0c:00.0` of what tools print, `00000000:0C:00.0` say; undefined for no PCI address. */
export function normalPci(text: string): string | undefined {
  const [, domain, rest] =
    /^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])$/.exec(text.trim().toLowerCase()) ?? []
  if (rest === undefined) return undefined
  const address = `${Number.parseInt(domain ?? '0', 16)
    .toString(16)
    .padStart(4, '0')}:${rest}`
  return isPciAddress(address) ? address : undefined
}

/** Its NUMA node; undefined for a host with one, which says -1. */
export async function numaNodeOf(tree: HostTree, pci: string): Promise<number | undefined> {
  return pci === '' ? undefined : await tree.number(`${PCI_DEVICES}/${pci}/numa_node`)
}

/** `/dev/dri/renderD128`: what its own folder names, since neither index says which card it is. */
export async function renderNodeOf(tree: HostTree, device: string): Promise<string | undefined> {
  const name = (await tree.names(`${device}/drm`)).find((each) => /^renderD\d+$/.test(each))
  return name === undefined ? undefined : `/dev/dri/${name}`
}

/** Graphics devices of a vendor on the PCI bus, with the driver that each has. */
export async function graphicsOf(
  tree: HostTree,
  vendor: string
): Promise<readonly { readonly pci: string; readonly driver: string | undefined }[]> {
  const found: { pci: string; driver: string | undefined }[] = []
  for (const pci of (await tree.names(PCI_DEVICES)).filter(isPciAddress)) {
    const path = `${PCI_DEVICES}/${pci}`
    if ((await tree.text(`${path}/vendor`)) !== vendor) continue
    if (!DISPLAY.test((await tree.text(`${path}/class`)) ?? '')) continue
    found.push({ pci, driver: await tree.target(`${path}/driver`) })
  }
  return found
}
