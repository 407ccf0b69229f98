import type { Capacity, Platform } from '../../protocol/core/advertisement.ts'

/** Something that keeps this host from running jobs well, with the way out. */
export interface HostProblem {
  /** `engine`, `seccomp`, `busybox`, `git`, `disk`, `capacity`, `network`, `clock`. */
  readonly part: string
  /** True where no job may be claimed while it lasts. */
  readonly blocking: boolean
  readonly found: string
  readonly fix: string
}

export interface EngineFacts {
  readonly version: string
  readonly apiVersion: string
  /** cgroup version; v1 has a swappiness of its own. */
  readonly cgroup: 1 | 2
  readonly storageDriver: string
  readonly rootDir: string
  readonly seccomp: boolean
  readonly userns: boolean
}

/** What this host is and has. */
export interface HostProfile {
  readonly platforms: readonly Platform[]
  readonly capacity: Capacity
  readonly engine: EngineFacts
  /** Version of git, '' where it is missing. */
  readonly git: string
  readonly problems: readonly HostProblem[]
  /** Tries a container as jobs get them: what that shows is among `problems` when it resolves. */
  readonly trial: () => Promise<void>
  /** The smaller of what the state folder's and the engine's file systems have free, now. */
  readonly diskFreeBytes: () => Promise<number>
}

/** What the owner lets the mesh have; absent means the host's own figure. */
export interface CapacitySettings {
  readonly cpuMilli?: number | undefined
  readonly memoryBytes?: number | undefined
  readonly jobs?: number | undefined
}

export interface ProbeSettings {
  readonly capacity: CapacitySettings
  readonly state: string
  /** Path of the static busybox, usually `/bin/busybox`. */
  readonly busybox: string
}
