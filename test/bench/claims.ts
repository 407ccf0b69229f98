import { mkdtemp, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKey } from '../../protocol/wire/keys.ts'
import { sealRoster } from '../../protocol/wire/roster-codec.ts'
import { memberEntry, rosterOf } from '../support/mesh-nodes.ts'
import { Child, compileChildren } from './child.ts'
import { EtcdCluster, installEtcd } from './etcd-cluster.ts'
import { median, quantile, rounded } from './figures.ts'
import type { WindowResult } from './window.ts'

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
const WITNESSES = 3
/** Leases held, and times that each is renewed, in the stretch in which syncs are counted. */
const LEASES_HELD = 20
const RENEWALS_EACH = 50
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

export interface ClaimsOptions {
  /** Cycles in flight, a line each; 1, 8 and 64 when absent. */
  readonly loads?: readonly number[] | undefined
  readonly profileDir?: string | undefined
}

interface Enrolled {
  readonly peerId: string
  readonly storeId: string
  readonly addresses: readonly string[]
}

interface Side {
  window(options: { inFlight: number; ms: number }): Promise<WindowResult>
  cpuUs(): Promise<number>
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

class OurSide implements Side {
  readonly #witnesses: readonly Child[]
  readonly #agents: Child

  private constructor(witnesses: readonly Child[], agents: Child) {
    this.#witnesses = witnesses
    this.#agents = agents
  }

  static async start(
    dir: string,
    profileDir: string | undefined,
    ends: (() => Promise<void>)[]
  ): Promise<OurSide> {
    const start = (file: string): Child => {
      const child = new Child(file, profileDir)
      ends.push(() => child.end())
      return child
    }
    const witnesses = Array.from({ length: WITNESSES }, () => start('witness'))
    const agents = start('agents')
    const authority = generateKey()
    const enrol = (child: Child, name: string): Promise<Enrolled[]> => {
      return child.call('start', { dir: join(dir, name), authority: authority.peerId })
    }
    const found = await Promise.all(witnesses.map((child, index) => enrol(child, `w${index}`)))
    const asWitness = ['witness'] as const
    const asClient = ['gateway', 'agent'] as const
    const members = [
      ...found
        .flat()
        .map(({ peerId, ...rest }) => memberEntry(peerId, { ...rest, roles: asWitness })),
      ...(await enrol(agents, 'agents')).map(({ peerId, ...rest }) => {
        return memberEntry(peerId, { ...rest, roles: asClient })
      })
    ]
    const sealed = sealRoster(authority, rosterOf(authority, members, { lease: 'default' }))
    const hex = Buffer.from(sealed.bytes).toString('hex')
    await Promise.all([...witnesses, agents].map((child) => child.call('roster', hex)))
    await agents.call('linked', WITNESSES)
    return new OurSide(witnesses, agents)
  }

  window(options: { inFlight: number; ms: number }): Promise<WindowResult> {
    return this.#agents.call('window', options)
  }

  async cpuUs(): Promise<number> {
    const each = await Promise.all([...this.#witnesses, this.#agents].map((one) => one.cpuUs()))
    return sum(each)
  }

  async fsyncsPerRenewal(): Promise<number> {
    await this.#agents.call('hold', LEASES_HELD)
    const before = await this.#syncs()
    const renewals = await this.#agents.call<number>('renewals', RENEWALS_EACH)
    const after = await this.#syncs()
    await this.#agents.call('release')
    return (after - before) / renewals
  }

  async #syncs(): Promise<number> {
    return sum(await Promise.all(this.#witnesses.map((one) => one.call<number>('syncs'))))
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

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100
}
