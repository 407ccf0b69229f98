const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  KiB: 1_024,
  // What kernels before 5.19 called it.
  kB: 1_024,
  MiB: 1_048_576,
  GiB: 1_073_741_824
}
/** Memory of the GPU's own; what lies in the host's is named `system`, `gtt`, `cpu`, `stolen`. */
const OWN_REGION = /^(?:vram|local)\d*$/
/** Which of a region's figures is taken, the first that is there. */
const FIGURES = ['resident', 'memory', 'total'] as const

/** How long engines of one kind have worked for a client. */
export interface EngineTime {
  /** Nanoseconds, or ticks of `total`. */
  readonly spent: bigint
  /** Ticks that went by for everyone; undefined where `spent` is in nanoseconds. */
  readonly total: bigint | undefined
  /** Engines of that kind. */
  readonly capacity: number
}

/** One open file of a GPU, as the kernel says who it is of and what it took. */
export interface DrmClient {
  /** The same for each file, in whatever process, that is the same client. */
  readonly key: string
  readonly pci: string
  readonly memoryBytes: number | undefined
  /** By the kind of engine; none where the kernel says percents. */
  readonly engines: ReadonlyMap<string, EngineTime>
  /** What kernels before 5.19 said in place of times. */
  readonly percent: number | undefined
}

/** `/proc/<pid>/fdinfo/<fd>` of a GPU's node; undefined for what says too little. */
export function drmClient(text: string): DrmClient | undefined {
  const facts = new Map<string, string>()
  for (const line of text.split('\n').slice(0, LINES_MAX)) {
    const colon = line.indexOf(':')
    if (colon > 0) facts.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim())
  }
  const pci = (facts.get('drm-pdev') ?? facts.get('pdev'))?.toLowerCase()
  // Without an id the address space is the client's: one of them for all of its files.
  const id = facts.get('drm-client-id') ?? facts.get('pasid')
  if (pci === undefined || id === undefined) return undefined
  return {
    key: `${pci} ${facts.has('drm-client-id') ? 'client' : 'pasid'} ${id}`,
    pci,
    memoryBytes: memoryIn(facts),
    engines: enginesIn(facts),
    percent: percentIn(facts)
  }
}

const LINES_MAX = 256

type Facts = ReadonlyMap<string, string>

function memoryIn(facts: Facts): number | undefined {
  const regions = new Map<string, Map<string, number>>()
  for (const [name, value] of facts) {
    const [, figure, region] = /^drm-(resident|memory|total)-(\w+)$/.exec(name) ?? []
    const bytes = bytesOf(value)
    if (figure === undefined || region === undefined || bytes === undefined) continue
    if (!OWN_REGION.test(region)) continue
    regions.set(region, (regions.get(region) ?? new Map<string, number>()).set(figure, bytes))
  }
  if (regions.size === 0) return bytesOf(facts.get('vram mem') ?? '')
  let sum = 0
  for (const figures of regions.values()) {
    sum += FIGURES.map((figure) => figures.get(figure)).find((each) => each !== undefined) ?? 0
  }
  return sum
}

function bytesOf(text: string): number | undefined {
  const [, amount, unit = ''] = /^(\d{1,15})(?: (KiB|kB|MiB|GiB))?$/.exec(text) ?? []
  const bytes = amount === undefined ? Number.NaN : Number(amount) * (UNITS[unit] ?? Number.NaN)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

function enginesIn(facts: Facts): ReadonlyMap<string, EngineTime> {
  const engines = new Map<string, EngineTime>()
  for (const [name, value] of facts) {
    const [, way, kind] = /^drm-(engine|cycles)-(?!capacity-)([\w-]+)$/.exec(name) ?? []
    const spent = /^(\d{1,20})(?: ns)?$/.exec(value)?.[1]
    if (kind === undefined || spent === undefined) continue
    const total = /^\d{1,20}$/.exec(facts.get(`drm-total-cycles-${kind}`) ?? '')?.[0]
    // Ticks of an unknown length say nothing.
    if (way === 'cycles' && total === undefined) continue
    engines.set(kind, {
      spent: BigInt(spent),
      total: way === 'cycles' && total !== undefined ? BigInt(total) : undefined,
      capacity: capacityOf(facts, kind)
    })
  }
  return engines
}

function capacityOf(facts: Facts, kind: string): number {
  const text = facts.get(`drm-engine-capacity-${kind}`) ?? ''
  return /^[1-9]\d{0,2}$/.test(text) ? Number(text) : 1
}

/** `gfx0: 12.50%` */
function percentIn(facts: Facts): number | undefined {
  let sum: number | undefined
  for (const [name, value] of facts) {
    const share = /^(\d{1,3}(?:\.\d{1,4})?)%$/.exec(value)?.[1]
    if (share !== undefined && /^[a-z_]+\d+$/.test(name)) sum = (sum ?? 0) + Number(share)
  }
  return sum
}
