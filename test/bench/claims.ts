import { mkdtemp, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Child, compileChildren } from './child.ts'
import { EtcdCluster, installEtcd } from './etcd-cluster.ts'
import { median, quantile, rounded } from './figures.ts'
import { OurSide, type Side } from './our-side.ts'

/** Windows of each kind at each load; the reported figures are their medians. */
const WINDOWS = 3
const WINDOW_MS = 2_000
/** Before the first window of a load: connections and caches fill. */
const WARM_UP_MS = 1_500
/** Cycles before any window, of each kind: the JIT compiles what a daemon runs for weeks. */
const WARM_UP_CYCLES = 4_000
/** Milliseconds after which a slow machine has warmed up enough. */
const WARM_UP_MS_MAX = 60_000
const WARM_UP_IN_FLIGHT = 64
const LOADS = [1, 8, 64] as const
/** Magic number of tmpfs: a sync there costs nothing. */
const TMPFS = 0x0102_1994

export interface ClaimsLine {
  readonly bench: 'claims'
  readonly in_flight: number
  readonly ours_per_s: number
  /** CPU of the client and all three witnesses, a cycle. */
  readonly ours_cpu_us: number
  readonly etcd_per_s: number
  readonly etcd_cpu_us: number
  readonly ratio: number
  /** One lease an agent instead of one a job, and no renewal. */
  readonly lean_etcd_per_s: number
  readonly lean_etcd_cpu_us: number
  readonly lean_ratio: number
  readonly claim_p50_ms: number
  readonly claim_p99_ms: number
  /** Counted at the stores of all witnesses, over renewals alone. */
  readonly fsyncs_per_renewal: number
}

export interface OwnLine {
  readonly bench: 'ours'
  readonly in_flight: number
  readonly ours_per_s: number
  readonly ours_cpu_us: number
  readonly claim_p50_ms: number
  readonly claim_p99_ms: number
}

export interface ClaimsOptions {
  /** Cycles in flight, a line each; 1, 8 and 64 when absent. */
  readonly loads?: readonly number[] | undefined
  readonly profileDir?: string | undefined
}

interface Measured {
  readonly perS: number
  readonly cpuUs: number
  readonly claimsMs: readonly number[]
}

/**
 * Full job cycles (record, claim, one renewal, complete) a second over three witnesses in processes
 * of their own, and beside them the same on etcd, in turns on one machine and one disk. With
 * `profileDir` every process of ours leaves a CPU profile there.
 */
export async function claims(
  say: (line: ClaimsLine) => void,
  { loads = LOADS, profileDir }: ClaimsOptions
): Promise<void> {
  installEtcd()
  compileChildren()
  const dir = await mkdtemp(join(tmpdir(), 'runner-mesh-claims-'))
  const ends: (() => Promise<void>)[] = [() => rm(dir, { recursive: true, force: true })]
  try {
    if ((await statfs(dir)).type === TMPFS) throw new Error(`${dir} is no disk: set TMPDIR to one`)
    const ours = await OurSide.start(dir, profileDir, ends)
    const etcd = await EtcdCluster.start(join(dir, 'etcd'))
    ends.push(() => etcd.stop())
    const client = new Child('etcd-agents')
    ends.push(() => client.end())
    await client.call('start', etcd.hosts)
    const etcdSide = (name: string): Side => ({
      window: (options) => client.call(name, options),
      cpuUs: async () => (await etcd.cpuUs()) + (await client.cpuUs())
    })
    const sides = { ours, etcd: etcdSide('full'), lean: etcdSide('lean') }
    const fsyncs = await ours.fsyncsPerRenewal()
    for (const side of Object.values(sides)) await warmUp(side)
    for (const inFlight of loads) say(await measure(sides, inFlight, fsyncs))
  } finally {
    for (const end of ends.reverse()) await end()
  }
}

/** Our side alone, for a profile or a quick comparison of two states of the source. */
export async function ourCycles(
  say: (line: OwnLine) => void,
  { loads = LOADS, profileDir }: ClaimsOptions
): Promise<void> {
  compileChildren()
  const dir = await mkdtemp(join(tmpdir(), 'runner-mesh-claims-'))
  const ends: (() => Promise<void>)[] = [() => rm(dir, { recursive: true, force: true })]
  try {
    const ours = await OurSide.start(dir, profileDir, ends)
    await warmUp(ours)
    for (const inFlight of loads) {
      const windows: Measured[] = []
      for (let round = 1; round <= WINDOWS; round++) windows.push(await oneWindow(ours, inFlight))
      const claimsMs = windows.flatMap((one) => one.claimsMs)
      say({
        bench: 'ours',
        in_flight: inFlight,
        ours_per_s: rounded(median(windows.map((one) => one.perS))),
        ours_cpu_us: Math.round(median(windows.map((one) => one.cpuUs))),
        claim_p50_ms: rounded(quantile(claimsMs, 0.5)),
        claim_p99_ms: rounded(quantile(claimsMs, 0.99))
      })
    }
  } finally {
    for (const end of ends.reverse()) await end()
  }
}

async function warmUp(side: Side): Promise<void> {
  const startedAt = performance.now()
  for (let cycles = 0; cycles < WARM_UP_CYCLES; ) {
    if (performance.now() - startedAt > WARM_UP_MS_MAX) return
    cycles += (await side.window({ inFlight: WARM_UP_IN_FLIGHT, ms: WARM_UP_MS })).cycles
  }
}

async function measure(
  sides: Readonly<Record<'ours' | 'etcd' | 'lean', Side>>,
  inFlight: number,
  fsyncs: number
): Promise<ClaimsLine> {
  const results = { ours: [] as Measured[], etcd: [] as Measured[], lean: [] as Measured[] }
  const names = ['ours', 'etcd', 'lean'] as const
  for (const name of names) await sides[name].window({ inFlight, ms: WARM_UP_MS })
  for (let round = 1; round <= WINDOWS; round++) {
    for (const name of names) {
      const one = await oneWindow(sides[name], inFlight)
      results[name].push(one)
      const told = `${name} ${rounded(one.perS)}/s ${Math.round(one.cpuUs)} us`
      process.stderr.write(`bench: ${inFlight} in flight, window ${round}: ${told}\n`)
    }
  }
  const of = (name: keyof typeof results, pick: (one: Measured) => number): number => {
    return median(results[name].map(pick))
  }
  const [ours, etcd, lean] = names.map((name) => of(name, ({ perS }) => perS))
  const claimsMs = results.ours.flatMap((one) => one.claimsMs)
  return {
    bench: 'claims',
    in_flight: inFlight,
    ours_per_s: rounded(ours ?? Number.NaN),
    ours_cpu_us: Math.round(of('ours', ({ cpuUs }) => cpuUs)),
    etcd_per_s: rounded(etcd ?? Number.NaN),
    etcd_cpu_us: Math.round(of('etcd', ({ cpuUs }) => cpuUs)),
    ratio: hundredths((ours ?? Number.NaN) / (etcd ?? Number.NaN)),
    lean_etcd_per_s: rounded(lean ?? Number.NaN),
    lean_etcd_cpu_us: Math.round(of('lean', ({ cpuUs }) => cpuUs)),
    lean_ratio: hundredths((ours ?? Number.NaN) / (lean ?? Number.NaN)),
    claim_p50_ms: rounded(quantile(claimsMs, 0.5)),
    claim_p99_ms: rounded(quantile(claimsMs, 0.99)),
    fsyncs_per_renewal: fsyncs
  }
}

async function oneWindow(side: Side, inFlight: number): Promise<Measured> {
  const before = await side.cpuUs()
  const { cycles, tookMs, claimsMs } = await side.window({ inFlight, ms: WINDOW_MS })
  const cpuUs = (await side.cpuUs()) - before
  return { perS: (cycles / tookMs) * 1_000, cpuUs: cpuUs / cycles, claimsMs }
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100
}
