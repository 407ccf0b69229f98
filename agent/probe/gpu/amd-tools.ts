import { normalPci } from './pci.ts'
import { amountOf, at, type Json, listOf, recordOf, textOf, toolJson } from './tool-json.ts'
import type { RunTool } from './tools.ts'

const MIB = 1_048_576

/** What AMD's tools know that the kernel does not say. */
export interface AmdFacts {
  readonly model: string | undefined
  readonly memoryBytes: number | undefined
}

/** By PCI address. */
export type AmdKnown = ReadonlyMap<string, AmdFacts>

interface Tool {
  readonly name: string
  readonly args: readonly string[]
  readonly read: (json: Json) => AmdKnown
}

/** The new one, and the one that it replaces. */
const TOOLS: readonly Tool[] = [
  { name: 'amd-smi', args: ['static', '--asic', '--bus', '--vram', '--json'], read: newFacts },
  {
    name: 'rocm-smi',
    args: ['--showproductname', '--showbus', '--showmeminfo', 'vram', '--json'],
    read: oldFacts
  }
]

/** Asks one tool, and the next one where that is not here or fails. */
export async function askAmdTools(
  run: RunTool
): Promise<{ readonly known: AmdKnown; readonly warnings: readonly string[] }> {
  const warnings: string[] = []
  for (const { name, args, read } of TOOLS) {
    const answer = await run(name, args)
    if (answer.kind === 'absent') continue
    if (answer.kind === 'failed') {
      warnings.push(`${name} ${answer.cause}`)
      continue
    }
    const known = read(toolJson(answer.text))
    if (known.size > 0) return { known, warnings }
    warnings.push(`${name} names no GPU (exit code ${answer.code})`)
  }
  return { known: new Map(), warnings }
}

/** amd-smi: a list, in later versions within `gpu_data`. */
function newFacts(json: Json): AmdKnown {
  const list = Array.isArray(json) ? json : at(json, 'gpu_data')
  const known = new Map<string, AmdFacts>()
  for (const gpu of listOf(list)) {
    const pci = normalPci(textOf(at(gpu, 'bus', 'bdf')) ?? '')
    if (pci === undefined) continue
    const mib = amountOf(at(gpu, 'vram', 'size', 'value')) ?? amountOf(at(gpu, 'vram', 'size'))
    known.set(pci, {
      model: textOf(at(gpu, 'asic', 'market_name')),
      memoryBytes: mib === undefined ? undefined : mib * MIB
    })
  }
  return known
}

/** rocm-smi: texts by names whose case changes from version to version. */
function oldFacts(json: Json): AmdKnown {
  const known = new Map<string, AmdFacts>()
  for (const card of Object.values(recordOf(json))) {
    const facts = new Map(
      Object.entries(recordOf(card)).map(([name, value]) => [name.toLowerCase(), value])
    )
    const pci = normalPci(textOf(facts.get('pci bus')) ?? '')
    if (pci === undefined) continue
    known.set(pci, {
      model: textOf(facts.get('card series')) ?? textOf(facts.get('device name')),
      memoryBytes: amountOf(facts.get('vram total memory (b)'))
    })
  }
  return known
}
