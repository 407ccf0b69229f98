import { isPciAddress } from '../../../protocol/core/gpu.ts'
import type { HostTree } from './host-tree.ts'

const DRIVER = 'proc/driver/nvidia'

/** What NVIDIA's driver itself says of a GPU, without a tool. */
export interface NvidiaEntry {
  readonly pci: string
  readonly model: string | undefined
  /** `GPU-...`; undefined where the driver could not begin it. */
  readonly uuid: string | undefined
  /** Of /dev/nvidiaN. */
  readonly minor: number | undefined
  /** Its owner keeps it from everybody. */
  readonly isExcluded: boolean
}

export interface NvidiaProc {
  /** '' where the driver is not loaded. */
  readonly driver: string
  readonly gpus: readonly NvidiaEntry[]
}

export const UUID = /^GPU-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export async function readNvidiaProc(tree: HostTree): Promise<NvidiaProc> {
  const version = (await tree.text(`${DRIVER}/version`)) ?? ''
  const line = version.split('\n').find((each) => each.startsWith('NVRM version:')) ?? ''
  const driver = /(?:^|\s)(\d{2,4}(?:\.\d{1,4}){1,2})(?:\s|$)/.exec(line)?.[1] ?? ''
  const gpus: NvidiaEntry[] = []
  for (const name of await tree.names(`${DRIVER}/gpus`)) {
    const pci = name.toLowerCase()
    if (!isPciAddress(pci)) continue
    const text = await tree.text(`${DRIVER}/gpus/${name}/information`)
    gpus.push(entryOf(pci, text ?? ''))
  }
  return { driver, gpus }
}

/** `Key: <blanks> value`, one a line; values of a GPU that never began have question marks. */
function entryOf(pci: string, text: string): NvidiaEntry {
  const facts = new Map<string, string>()
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) facts.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim())
  }
  const known = (key: string): string | undefined => {
    const value = facts.get(key)
    return value === undefined || value === '' || value.includes('?') ? undefined : value
  }
  const uuid = known('GPU UUID')
  const minor = known('Device Minor') ?? ''
  return {
    pci,
    model: known('Model'),
    uuid: uuid !== undefined && UUID.test(uuid) ? uuid : undefined,
    minor: /^\d{1,4}$/.test(minor) ? Number(minor) : undefined,
    isExcluded: known('GPU Excluded') === 'Yes'
  }
}
