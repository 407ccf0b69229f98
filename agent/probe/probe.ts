import { cpus, release, totalmem } from 'node:os'
import type { Platform } from '../../protocol/core/advertisement.ts'
import { EGRESS_PORT } from '../../protocol/core/egress-limits.ts'
import { type Isolation, isolationFor } from '../../protocol/core/isolation.ts'
import { fileSpaceOf } from '../../protocol/host/disk-space.ts'
import { git } from '../../protocol/host/git.ts'
import type { DiskControl } from '../execute/disk/disk-control.ts'
import type { Engine } from '../execute/engine.ts'
import type { EngineInfo } from '../execute/engine-types.ts'
import { nativePlatform } from '../execute/native-platform.ts'
import { classOf, isNvidiaRuntime } from '../execute/runtime.ts'
import { readPids } from '../policy/pids-reading.ts'
import { busyboxProblem } from './busybox.ts'
import { capacityOf } from './capacity.ts'
import type { DiskShown } from './disk-trial.ts'
import { HostIsolation } from './host-isolation.ts'
import type { EngineFacts, HostProblem, HostProfile, ProbeSettings } from './host-profile.ts'
import type { ProvenPlatforms } from './proven-platforms.ts'
import type { RuntimesShown } from './runtimes.ts'

const GIT_MS_MAX = 10_000
/** Below this much free disk the first larger image or checkout fails. */
const DISK_FREE_BYTES_MIN = 1_073_741_824

export interface ProbeParts {
  readonly engine: Pick<Engine, 'info'>
  readonly settings: ProbeSettings
  /** What keeps a container as jobs get them from running here; see tryProfile. */
  readonly trial: () => Promise<HostProblem | undefined>
  /** What the engine's other runtimes give; see tryRuntimes. */
  readonly tryRuntimes: (killBudgetMs: number, signal: AbortSignal) => Promise<RuntimesShown>
  /** What keeps jobs to their disk here; see tryDisk. */
  readonly tryDisk: () => Promise<DiskShown>
  /** What runs here beside the engine's own platform; see provenPlatforms. */
  readonly others: () => Promise<ProvenPlatforms>
  /** What keeps jobs from building images here; absent where the owner does not offer it. */
  readonly tryBuilder?: (() => Promise<HostProblem | undefined>) | undefined
}

/**
 * Looks at this host: totals of the machine, not of this process's own cgroup, since the containers
 * are the engine's. Throws ENGINE_UNREACHABLE; everything else that is wrong is in `problems`.
 */
export async function probeHost(parts: ProbeParts): Promise<HostProfile> {
  const { engine, settings } = parts
  const info = await engine.info()
  const [version, busybox] = await Promise.all([gitVersion(), busyboxProblem(settings.busybox)])
  const size = {
    cpus: Math.min(cpus().length, info.cpus),
    memoryBytes: Math.min(totalmem(), info.memoryBytes),
    diskBytes: await freeBytes(settings.volumes ?? settings.state, info.rootDir),
    pids: readPids()
  }
  const offered = capacityOf(size, settings.capacity)
  const diskFreeBytes = (): Promise<number> => freeBytes(settings.state, info.rootDir)
  const isolation = new HostIsolation(info, settings.requireIsolation)
  const problems: HostProblem[] = [
    ...engineProblems(info, release()),
    ...(busybox === undefined ? [] : [busybox]),
    ...gitProblems(version),
    ...offered.problems,
    ...diskProblems(await diskFreeBytes(), settings.state)
  ]
  // Whoever cannot filter at all, or has no busybox to start, is known without one.
  const isHopeless = problems.some(({ part }) => part === 'seccomp' || part === 'busybox')
  const platforms: Platform[] = [{ name: nativePlatform(info), native: true }]
  const trials = trialsOf(parts, { problems, platforms, isolation }, isHopeless)
  const engineFacts = factsOf(info)
  const looked = {
    platforms,
    capacity: offered.capacity,
    largest: offered.largest,
    engine: engineFacts,
    isolation,
    git: version,
    diskFreeBytes
  }
  // Not spread: `problems` is asked anew each time.
  return Object.assign(trials, looked)
}

interface Shown {
  readonly problems: HostProblem[]
  readonly platforms: Platform[]
  readonly isolation: HostIsolation
}

/** What they show is added to `shown`. */
function trialsOf(
  { trial, others, tryDisk, tryRuntimes, tryBuilder }: ProbeParts,
  { problems, platforms, isolation }: Shown,
  isHopeless: boolean
): Pick<HostProfile, 'problems' | 'trial' | 'tryRuntimes' | 'isTrying' | 'disk' | 'offersBuilder'> {
  let ofRuntimes: readonly HostProblem[] = []
  let disk: DiskControl = 'watch'
  let trying = 0
  let offersBuilder = false
  const during = async (work: () => Promise<void>): Promise<void> => {
    if (isHopeless) return
    trying += 1
    await work().finally(() => {
      trying -= 1
    })
  }
  return {
    // What is lacking now may be shown by a runtime later, and the other way round.
    get problems() {
      return [...problems, ...isolationProblems(isolation), ...ofRuntimes]
    },
    isTrying: () => trying > 0,
    disk: () => disk,
    offersBuilder: () => offersBuilder,
    trial: () =>
      during(async () => {
        const shown = await trial()
        if (shown !== undefined) problems.push(shown)
        if (shown?.blocking === true) return
        const { control, problems: why } = await tryDisk()
        disk = control
        problems.push(...why)
        const found = await others()
        if (found.native !== undefined) platforms[0] = { name: found.native, native: true }
        platforms.push(...found.platforms)
        problems.push(...found.problems)
        if (tryBuilder === undefined) return
        const refused = await tryBuilder()
        if (refused !== undefined) problems.push(refused)
        offersBuilder = refused === undefined
      }),
    tryRuntimes: (killBudgetMs, signal) =>
      during(async () => {
        const shown = await tryRuntimes(killBudgetMs, signal)
        ofRuntimes = shown.problems
        isolation.shown(shown.offered)
      })
  }
}

function factsOf(info: EngineInfo): EngineFacts {
  const { version, apiVersion, cgroup, storageDriver, rootDir, security } = info
  const seccomp = security.has('seccomp')
  return { version, apiVersion, cgroup, storageDriver, rootDir, seccomp }
}

/** What is wrong with the engine for running strangers' code under our guard. */
export function engineProblems(info: EngineInfo, kernel: string): readonly HostProblem[] {
  const problems: HostProblem[] = []
  const add = (part: string, blocking: boolean, found: string, fix: string): void => {
    problems.push({ part, blocking, found, fix })
  }
  if (!info.security.has('seccomp')) {
    const fix = 'start it without --seccomp-profile=unconfined, on a kernel with seccomp'
    add('seccomp', true, 'the engine filters no system calls', fix)
  }
  if (info.kernel !== kernel) {
    // Another kernel has another uptime: the guard would judge deadlines by the wrong clock.
    const found = `the engine runs on kernel ${info.kernel}, this host on ${kernel}`
    add('engine', true, found, 'run agent and engine on one host, not through a virtual machine')
  }
  const byDefault = info.runtimes.find(({ name }) => name === info.defaultRuntime)
  if (byDefault !== undefined && classOf(byDefault) !== undefined) {
    // Jobs name their runtime: whoever made this the default believes that they all run in it.
    const found = `the engine's default runtime is ${info.defaultRuntime}, and jobs run in runc`
    const fix = 'take default-runtime out of daemon.json: jobs get that runtime by asking for it'
    add('runtime', true, found, fix)
  }
  problems.push(...nvidiaDefault(info))
  for (const limit of info.unenforced) {
    const found = `the engine cannot limit ${limit}`
    add('engine', true, found, `enable the cgroup controller for ${limit} (see docker info)`)
  }
  if (!info.swapLimit) {
    const found = 'the kernel does not count swap: a job may use more memory than it asked for'
    add('engine', false, found, 'boot with swapaccount=1, or without swap')
  }
  return problems
}

/** It takes images at their word, which say that they want each GPU there is. */
export function nvidiaDefault(
  info: Pick<EngineInfo, 'runtimes' | 'defaultRuntime'>
): readonly HostProblem[] {
  const byDefault = info.runtimes.find(({ name }) => name === info.defaultRuntime)
  if (byDefault === undefined || !isNvidiaRuntime(byDefault)) return []
  const found =
    `the engine's default runtime is ${info.defaultRuntime}: it hands each GPU that an image ` +
    'names to whatever container names no runtime; those of jobs do'
  const fix = 'take default-runtime out of daemon.json: jobs get their GPUs without it'
  return [{ part: 'runtime', blocking: false, found, fix }]
}

function isolationProblems(isolation: Isolation): readonly HostProblem[] {
  const spec = { network: 'none', labels: {} } as const
  const granted = isolationFor({ trust: 'untrusted', spec }, isolation)
  if (granted.kind === 'granted') return []
  const { least: level } = granted
  const found = `untrusted jobs are not taken: they get ${isolation.offered} here, not ${level}`
  const fix =
    level === 'userns'
      ? 'set userns-remap in the daemon.json of the engine, or take isolation.require out of agent.yaml'
      : 'register a runtime that gives it with the engine (docs/operating.md), or set ' +
        'isolation.require to userns in agent.yaml'
  return [{ part: 'isolation', blocking: false, found, fix }]
}

async function gitVersion(): Promise<string> {
  try {
    const { stdout } = await git(['--version'], { timeoutMs: GIT_MS_MAX })
    return /(\d+\.\d+(?:\.\d+)?)/.exec(Buffer.from(stdout).toString('utf8'))?.[1] ?? ''
  } catch {
    return ''
  }
}

function gitProblems(version: string): readonly HostProblem[] {
  if (version !== '') return []
  const fix = 'apt-get install git'
  return [{ part: 'git', blocking: true, found: 'git cannot be run', fix }]
}

/** What keeps jobs from a network, or from hosts by their names alone. */
export interface NetworkLacks {
  readonly lost: string | undefined
  readonly unnamed: string | undefined
}

/** A host whose owner wants rules for networks, and that cannot prove them. */
export function networkProblems(lacks: NetworkLacks | undefined): readonly HostProblem[] {
  const cause = lacks?.lost
  if (cause === undefined) return nameProblems(lacks?.unnamed)
  const found = `no job gets a network here: ${cause}`
  const fix =
    'install nftables or iptables and give the agent CAP_NET_ADMIN, or set network.rules to ' +
    '`holder` or `off`'
  return [{ part: 'network', blocking: false, found, fix }]
}

function nameProblems(cause: string | undefined): readonly HostProblem[] {
  if (cause === undefined) return []
  const found = `no job reaches hosts by their names here: ${cause}`
  const fix = `leave TCP port ${EGRESS_PORT} free for the proxies of jobs`
  return [{ part: 'network', blocking: false, found, fix }]
}

function diskProblems(free: number, state: string): readonly HostProblem[] {
  if (free >= DISK_FREE_BYTES_MIN) return []
  const found = `${Math.floor(free / 1_048_576)} MiB of disk are free for ${state} and the engine`
  const fix = 'remove images that nobody uses (docker image prune) or give more disk'
  return [{ part: 'disk', blocking: false, found, fix }]
}

/** The smaller figure counts: sources go through the state folder, images through the engine's. */
async function freeBytes(...paths: readonly string[]): Promise<number> {
  const free = await Promise.all(
    paths.map(async (path) => {
      const space = await fileSpaceOf(path).catch(() => undefined)
      return space?.freeBytes ?? Number.POSITIVE_INFINITY
    })
  )
  const least = Math.min(...free)
  return Number.isFinite(least) ? least : 0
}
