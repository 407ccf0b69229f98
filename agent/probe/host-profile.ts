import type { Capacity, JobSize, Platform } from '../../protocol/core/advertisement.ts'
import type { Isolation } from '../../protocol/core/isolation.ts'
import type { DiskControl } from '../execute/disk/disk-control.ts'
import type { HostIsolation } from './host-isolation.ts'

/** Something that keeps this host from running jobs well, with the way out. */
export interface HostProblem {
  /**
   * `engine`, `seccomp`, `isolation`, `runtime`, `busybox`, `git`, `disk`, `capacity`, `network`,
   * `clock`, `platforms`, `builder`, `gpu`.
   */
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
}

/** What this host is and has. */
export interface HostProfile {
  /** The engine's own first; what else runs here is among them when `trial` resolves. */
  readonly platforms: readonly Platform[]
  readonly capacity: Capacity
  /** What one job may have of it; absent is all. */
  readonly largest?: JobSize | undefined
  readonly engine: EngineFacts
  readonly isolation: HostIsolation
  /** Version of git, '' where it is missing. */
  readonly git: string
  readonly problems: readonly HostProblem[]
  /**
   * Tries a container as jobs get them, and programs for other platforms in one: what that shows is
   * in `problems` and `platforms` when it resolves.
   */
  readonly trial: () => Promise<void>
  /** What keeps jobs to their disk: whoever looks, until `trial` has shown more. */
  readonly disk: () => DiskControl
  /** Whether jobs may build images here: false until `trial` has shown that they can. */
  readonly offersBuilder: () => boolean
  /**
   * Tries the engine's other runtimes: `isolation` and `problems` say what that shows when it
   * resolves, and nothing of an earlier one any more. Within `killBudgetMs` the lifeline must end
   * what runs there. Takes its time, and is no condition for a job that asks for none. Never
   * rejects; an abort of `signal` shows nothing.
   */
  readonly tryRuntimes: (killBudgetMs: number, signal: AbortSignal) => Promise<void>
  /** True while a trial's containers are in use. */
  readonly isTrying: () => boolean
  /** The smaller of what the state folder's and the engine's file systems have free, now. */
  readonly diskFreeBytes: () => Promise<number>
}

/** What the owner lets the mesh have; absent means the host's own figure. */
export interface CapacitySettings {
  readonly cpuMilli?: number | undefined
  readonly memoryBytes?: number | undefined
  readonly diskBytes?: number | undefined
  readonly jobs?: number | undefined
  /** Memory that no job gets; absent is a tenth where `memoryBytes` says nothing, else none. */
  readonly reserveBytes?: number | undefined
  /** How many times what there is may be given away; absent is once. */
  readonly overcommit?: { readonly cpu: number; readonly memory: number } | undefined
}

export interface ProbeSettings {
  readonly capacity: CapacitySettings
  readonly requireIsolation?: Isolation['required']
  readonly state: string
  /** Where file systems of a fixed size will lie; the state folder when absent. */
  readonly volumes?: string | undefined
  /** Path of the static busybox, usually `/bin/busybox`. */
  readonly busybox: string
}
