import type { EngineInfo } from './engine-types.ts'

/** What `GET /info` says, as far as it matters here. */
export interface InfoAnswer {
  readonly SecurityOptions: readonly string[] | null
  readonly OSType: string
  readonly Architecture: string
  readonly KernelVersion: string
  /** Absent before API 1.41, where there was only version 1. */
  readonly CgroupVersion: string | undefined
  readonly NCPU: number
  readonly MemTotal: number
  readonly Driver: string
  readonly DockerRootDir: string
  readonly MemoryLimit: boolean
  readonly SwapLimit: boolean
  readonly PidsLimit: boolean
  readonly CpuCfsQuota: boolean
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
    security: securityOf(info.SecurityOptions ?? [])
  }
}

/** The names of what is on, of options such as `name=seccomp,profile=default`. */
function securityOf(options: readonly string[]): ReadonlySet<string> {
  const on = options.filter((option) => !option.includes('profile=unconfined'))
  return new Set(on.map((option) => /name=([^,]+)/.exec(option)?.[1] ?? option))
}
