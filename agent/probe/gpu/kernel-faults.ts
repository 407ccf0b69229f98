import { normalPci } from './pci.ts'

/**
 * Xids after which a GPU, and not one program, is at fault, by NVIDIA's catalogue. What a job can
 * bring about by a mistake of its own (13, 31, 43, 45, 68, 109) is not among them.
 */
export const FATAL_XIDS: ReadonlyMap<number, string> = new Map([
  [46, 'the GPU stopped processing'],
  [48, 'a double-bit error of its memory'],
  [62, 'its microcontroller halted'],
  [63, 'a page or row of its memory is to be retired at a reset'],
  [64, 'a page or row of its memory could not be retired'],
  [74, 'an error of NVLink'],
  [79, 'it has fallen off the bus'],
  [94, 'a contained error of its memory'],
  [95, 'an uncontained error of its memory'],
  [110, 'a security fault'],
  [119, 'its firmware does not answer'],
  [120, 'an error of its firmware'],
  [140, 'an unrecovered error of its memory'],
  [143, 'it could not be initialised']
])

interface Fault {
  readonly text: string
  /** A driver said once already that nothing has to be done. */
  settled: boolean
}

type Meaning =
  | { readonly kind: 'fault'; readonly pci: string; readonly code: string; readonly text: string }
  /** The GPU begins anew. */
  | { readonly kind: 'clear'; readonly pci: string }
  /** All of NVIDIA's do. */
  | { readonly kind: 'clear-nvidia' }

/** Faults of GPUs that the kernel reported and nothing has taken back, by PCI address. */
export class KernelFaults {
  readonly #faults = new Map<string, Map<string, Fault>>()

  /** True where that is news. */
  take(lines: readonly string[]): boolean {
    let isNews = false
    for (const line of lines) {
      const meaning = meaningOf(line)
      if (meaning === undefined) continue
      isNews = this.#apply(meaning) || isNews
    }
    return isNews
  }

  /** Why this GPU takes no job, by the kernel's word. */
  of(pci: string): readonly string[] {
    return [...(this.#faults.get(slotOf(pci))?.values() ?? [])].map(({ text }) => text)
  }

  /**
   * Its driver says that it needs no recovery. A fault goes with the second time: with the first it
   * may have come just now.
   */
  settle(pci: string): void {
    const faults = this.#faults.get(slotOf(pci))
    for (const [code, fault] of faults ?? []) {
      if (fault.settled) faults?.delete(code)
      fault.settled = true
    }
  }

  #apply(meaning: Meaning): boolean {
    if (meaning.kind === 'clear-nvidia') {
      const slots = [...this.#faults].filter(([, faults]) => [...faults.keys()].some(isXid))
      for (const [slot] of slots) this.#faults.delete(slot)
      return slots.length > 0
    }
    const slot = slotOf(meaning.pci)
    if (meaning.kind === 'clear') return this.#faults.delete(slot)
    const faults = this.#faults.get(slot) ?? new Map<string, Fault>()
    const isNew = !faults.has(meaning.code)
    faults.set(meaning.code, { text: meaning.text, settled: false })
    this.#faults.set(slot, faults)
    return isNew
  }
}

function isXid(code: string): boolean {
  return code.startsWith('xid-')
}

/** Xids name no function. */
function slotOf(pci: string): string {
  return pci.replace(/\.[0-7]$/, '')
}

const PCI = '([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}(?:\\.[0-7])?)'
const XID = new RegExp(`^NVRM: Xid \\((?:PCI:)?${PCI}\\): (\\d{1,5})\\b`, 'i')
const NVIDIA_LOADS = /^NVRM: loading NVIDIA UNIX\b/
const DRM_LOADS = new RegExp(`^\\[drm\\] Initialized \\S+ \\S+ (?:\\S+ )?for ${PCI} on minor`)
const AMD_RESET = new RegExp(`^amdgpu ${PCI}: (?:amdgpu: )?GPU reset end with ret = (-?\\d{1,5})`)
const AMD_RESET_DONE = new RegExp(`^amdgpu ${PCI}: (?:amdgpu: )?GPU reset\\(\\d+\\) succeeded`)
const AMD_LOST = new RegExp(`^amdgpu ${PCI}: (?:amdgpu: )?device lost from bus`)
const XE_WEDGED = new RegExp(`Xe has declared device ${PCI} as wedged`)

function meaningOf(line: string): Meaning | undefined {
  const xid = XID.exec(line)
  if (xid !== null) return xidFault(normalSlot(xid[1]), Number(xid[2]))
  if (NVIDIA_LOADS.test(line)) return { kind: 'clear-nvidia' }
  const begins = DRM_LOADS.exec(line) ?? AMD_RESET_DONE.exec(line)
  if (begins !== null) return { kind: 'clear', pci: normalSlot(begins[1]) }
  const reset = AMD_RESET.exec(line)
  if (reset !== null && reset[2] !== '0') {
    const text = `its reset failed (${reset[2]}), by the kernel's log`
    return { kind: 'fault', pci: normalSlot(reset[1]), code: 'reset', text }
  }
  const lost = AMD_LOST.exec(line)
  if (lost !== null) {
    const text = "it was lost from its bus, by the kernel's log"
    return { kind: 'fault', pci: normalSlot(lost[1]), code: 'bus', text }
  }
  const wedged = XE_WEDGED.exec(line)
  if (wedged === null) return undefined
  const text = "its driver gave it up (wedged), by the kernel's log"
  return { kind: 'fault', pci: normalSlot(wedged[1]), code: 'wedged', text }
}

function xidFault(pci: string, xid: number): Meaning | undefined {
  const what = FATAL_XIDS.get(xid)
  if (what === undefined) return undefined
  return { kind: 'fault', pci, code: `xid-${xid}`, text: `Xid ${xid}: ${what}` }
}

function normalSlot(text = ''): string {
  const slot = slotOf(text)
  return slotOf(normalPci(`${slot}.0`) ?? slot.toLowerCase())
}
