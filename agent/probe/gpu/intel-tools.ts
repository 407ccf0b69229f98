import { normalPci } from './pci.ts'
import { amountOf, at, type Json, listOf, textOf, toolJson } from './tool-json.ts'
import type { RunTool } from './tools.ts'

const XPU_SMI = 'xpu-smi'
/** Devices that are asked for their memory, one after the other. */
const DEVICES_MAX = 16
/** What xpu-smi watches of a GPU. */
const PARTS = [
  'core_temperature',
  'memory_temperature',
  'power',
  'memory',
  'fabric_port',
  'frequency'
]

/** What xpu-smi knows that the kernel does not say. */
export interface XpuFacts {
  /** Its own number, which holds until devices come or go. */
  readonly number: number
  readonly model: string | undefined
  readonly memoryBytes: number | undefined
}

export interface XpuAnswer {
  /** By PCI address. */
  readonly known: ReadonlyMap<string, XpuFacts>
  readonly warnings: readonly string[]
}

export async function askXpuSmi(run: RunTool): Promise<XpuAnswer> {
  const { list, warnings } = await deviceList(run, ['discovery', '-j'])
  const known = new Map<string, XpuFacts>()
  for (const device of list.slice(0, DEVICES_MAX)) {
    const pci = normalPci(textOf(at(device, 'pci_bdf_address')) ?? '')
    const number = at(device, 'device_id')
    if (pci === undefined || !isNumber(number)) continue
    const more = await run(XPU_SMI, ['discovery', '-d', String(number), '-j'])
    const details = more.kind === 'said' ? toolJson(more.text) : undefined
    known.set(pci, {
      number,
      model: textOf(at(device, 'device_name')),
      memoryBytes: amountOf(at(details, 'memory_physical_size_byte'))
    })
    if (more.kind === 'failed') return { known, warnings: [`${XPU_SMI} ${more.cause}`] }
  }
  return { known, warnings }
}

export interface XpuHealth {
  /** Why a GPU takes no job, by PCI address. */
  readonly ill: ReadonlyMap<string, readonly string[]>
  readonly warnings: readonly string[]
}

/** Nothing is asked where it knows none of the GPUs. */
export async function askXpuHealth(
  run: RunTool,
  known: ReadonlyMap<string, XpuFacts>
): Promise<XpuHealth> {
  if (known.size === 0) return { ill: new Map(), warnings: [] }
  const { list, warnings } = await deviceList(run, ['health', '-l', '-j'])
  const byNumber = new Map([...known].map(([pci, { number }]) => [number, pci]))
  const ill = new Map<string, readonly string[]>()
  for (const device of list) {
    const number = at(device, 'device_id')
    const pci = isNumber(number) ? byNumber.get(number) : undefined
    if (pci === undefined) continue
    const reasons = PARTS.flatMap((part) => criticalOf(device, part) ?? [])
    if (reasons.length > 0) ill.set(pci, reasons)
  }
  return { ill, warnings }
}

/** `Critical` alone: a GPU that is warm says `Warning`, and slows down by itself. */
function criticalOf(device: Json, part: string): string | undefined {
  if (textOf(at(device, part, 'status')) !== 'Critical') return undefined
  const why = textOf(at(device, part, 'description'))
  return `xpu-smi: ${part.replaceAll('_', ' ')} is critical${why === undefined ? '' : `: ${why}`}`
}

async function deviceList(
  run: RunTool,
  args: readonly string[]
): Promise<{ readonly list: readonly Json[]; readonly warnings: readonly string[] }> {
  const answer = await run(XPU_SMI, args)
  if (answer.kind === 'absent') return { list: [], warnings: [] }
  if (answer.kind === 'failed') return { list: [], warnings: [`${XPU_SMI} ${answer.cause}`] }
  const list = listOf(at(toolJson(answer.text), 'device_list'))
  if (list.length > 0) return { list, warnings: [] }
  return { list, warnings: [`${XPU_SMI} ${args[0]} lists no GPU (exit code ${answer.code})`] }
}

function isNumber(json: Json): json is number {
  return Number.isSafeInteger(json)
}
