import type { EngineInfo } from './engine-types.ts'
import type { EngineRuntime } from './runtime.ts'

/** What `GET /info` says, as far as it matters here. */
export interface InfoAnswer {
  readonly SecurityOptions: readonly string[] | null
  readonly OSType: string
  readonly Architecture: string
  readonly KernelVersion: string
  /** Absent before API 1.41, where there was only version 1. */
  readonly CgroupVersion: string | undefined
  readonly CgroupDriver?: string | undefined
  readonly NCPU: number
  readonly MemTotal: number
  readonly Driver: string
  readonly DockerRootDir: string
  readonly MemoryLimit: boolean
  readonly SwapLimit: boolean
  readonly LiveRestoreEnabled?: boolean | undefined
  readonly PidsLimit: boolean
  readonly CpuCfsQuota: boolean
  readonly Runtimes?: Readonly<Record<string, RuntimeAnswer>> | null
  readonly DefaultRuntime?: string
  /** From API 1.50 on. */
  readonly DiscoveredDevices?: readonly { readonly Source?: string; readonly ID?: string }[] | null
  /** From API 1.44 on. */
  readonly CDISpecDirs?: readonly string[] | null
}

interface RuntimeAnswer {
  /** Empty for a shim that the engine finds by `runtimeType`. */
  readonly path?: string
  readonly runtimeArgs?: readonly string[] | null
  /** Absent before Engine 23. */
  readonly runtimeType?: string
}

export interface VersionAnswer {
  readonly Version: string
  readonly ApiVersion: string
}

export function engineInfo(info: InfoAnswer, version: VersionAnswer): EngineInfo {
  return {
    version: version.Version,
    apiVersion: version.ApiVersion,
    os: info.OSType,
    architecture: info.Architecture,
    kernel: info.KernelVersion,
    cgroup: info.CgroupVersion === '2' ? 2 : 1,
    cgroupDriver: info.CgroupDriver ?? '',
    cpus: info.NCPU,
    memoryBytes: info.MemTotal,
    storageDriver: info.Driver,
    rootDir: info.DockerRootDir,
    unenforced: [
      ...(info.MemoryLimit ? [] : ['memory']),
      ...(info.PidsLimit ? [] : ['pids']),
      ...(info.CpuCfsQuota ? [] : ['cpu'])
    ],
    swapLimit: info.SwapLimit,
    liveRestore: info.LiveRestoreEnabled === true,
    security: securityOf(info.SecurityOptions ?? []),
    runtimes: runtimesOf(info.Runtimes ?? {}),
    defaultRuntime: info.DefaultRuntime ?? '',
    cdiDevices: cdiDevicesOf(info),
    cdiFolders: info.CDISpecDirs ?? []
  }
}

/** Sorted: the engine gives them in another order each time. */
function runtimesOf(answers: Readonly<Record<string, RuntimeAnswer>>): readonly EngineRuntime[] {
  return Object.entries(answers)
    .map(([name, { path, runtimeType, runtimeArgs }]) => {
      const program = path || runtimeType || ''
      return { name, program, ...(runtimeArgs?.length ? { args: runtimeArgs } : {}) }
    })
    .sort((one, other) => (one.name < other.name ? -1 : 1))
}

function cdiDevicesOf({ DiscoveredDevices }: InfoAnswer): readonly string[] {
  return (DiscoveredDevices ?? []).flatMap(({ Source, ID }) =>
    Source === 'cdi' && ID !== undefined ? [ID] : []
  )
}

/** The names of what is on, of options such as `name=seccomp,profile=default`. */
function securityOf(options: readonly string[]): ReadonlySet<string> {
  const on = options.filter((option) => !option.includes('profile=unconfined'))
  return new Set(on.map((option) => /name=([^,]+)/.exec(option)?.[1] ?? option))
}
