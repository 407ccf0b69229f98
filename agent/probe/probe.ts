import { statfs } from 'node:fs/promises'
import { cpus, release, totalmem } from 'node:os'
import { git } from '../../protocol/host/git.ts'
import type { Engine } from '../execute/engine.ts'
import type { EngineInfo } from '../execute/engine-types.ts'
import { nativePlatform } from '../execute/native-platform.ts'
import { busyboxProblem } from './busybox.ts'
import { capacityOf } from './capacity.ts'
import type { EngineFacts, HostProblem, HostProfile, ProbeSettings } from './host-profile.ts'

const GIT_MS_MAX = 10_000
/** Below this much free disk the first larger image or checkout fails. */
const DISK_FREE_BYTES_MIN = 1_073_741_824

export interface ProbeParts {
  readonly engine: Pick<Engine, 'info'>
  readonly settings: ProbeSettings
  /** What keeps a container as jobs get them from running here; see tryProfile. */
  readonly trial: () => Promise<HostProblem | undefined>
  /** Why the rules that the owner asked for are not in place; undefined where they are. */
  readonly unenforced?: string | undefined
}

/**
 * Looks at this host: totals of the machine, not of this process's own cgroup, since the containers
 * are the engine's. Throws ENGINE_UNREACHABLE; everything else that is wrong is in `problems`.
 */
export async function probeHost(parts: ProbeParts): Promise<HostProfile> {
  const { engine, settings, trial, unenforced } = parts
  const info = await engine.info()
  const [version, busybox] = await Promise.all([gitVersion(), busyboxProblem(settings.busybox)])
  const size = {
    cpus: Math.min(cpus().length, info.cpus),
    memoryBytes: Math.min(totalmem(), info.memoryBytes)
  }
  const { capacity, problems: capacityProblems } = capacityOf(size, settings.capacity)
  const diskFreeBytes = (): Promise<number> => freeBytes(settings.state, info.rootDir)
  const problems: HostProblem[] = [
    ...engineProblems(info, release()),
    ...(busybox === undefined ? [] : [busybox]),
    ...gitProblems(version),
    ...capacityProblems,
    ...networkProblems(unenforced),
    ...diskProblems(await diskFreeBytes(), settings.state)
  ]
  // Whoever cannot filter at all, or has no busybox to start, is known without one.
  const isHopeless = problems.some(({ part }) => part === 'seccomp' || part === 'busybox')
  return {
    platforms: [{ name: nativePlatform(info), native: true }],
    capacity,
    engine: factsOf(info),
    git: version,
    diskFreeBytes,
    problems,
    trial: async () => {
      const shown = isHopeless ? undefined : await trial()
      if (shown !== undefined) problems.push(shown)
    }
  }
}

function factsOf(info: EngineInfo): EngineFacts {
  const { version, apiVersion, cgroup, storageDriver, rootDir, security } = info
  const [seccomp, userns] = [security.has('seccomp'), security.has('userns')]
  return { version, apiVersion, cgroup, storageDriver, rootDir, seccomp, userns }
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

function networkProblems(cause: string | undefined): readonly HostProblem[] {
  if (cause === undefined) return []
  const found = `no job gets a network here: ${cause}`
  const fix = 'install nftables and give the agent CAP_NET_ADMIN, or set network.rules to off'
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
      const stats = await statfs(path).catch(() => undefined)
      return stats === undefined ? Number.POSITIVE_INFINITY : stats.bavail * stats.bsize
    })
  )
  const least = Math.min(...free)
  return Number.isFinite(least) ? least : 0
}
