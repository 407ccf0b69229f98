import type { AgentState } from './agent-state.ts'
import type { Closing } from './closing.ts'
import type { Gpu } from './gpu.ts'
import type { GpuLook } from './gpu-look.ts'
import type { GpuTerms, GpuUse } from './gpu-terms.ts'
import type { HostPolicy } from './host-policy.ts'
import type { ImagePlatforms } from './images-lacking.ts'
import type { Isolation } from './isolation.ts'
import { AGENT_BOOTS_MAX } from './limits.ts'
import type { NetworkAbility, NetworkRules } from './network.ts'

export interface Platform {
  /** `os/arch[/variant]`, as in `linux/arm64`. */
  readonly name: string
  readonly native: boolean
}

export interface Capacity {
  readonly cpuMilli: number
  readonly memoryBytes: number
  /** Of the engine's disk, for what jobs write; 0 where it is not said. */
  readonly diskBytes: number
  /** How many jobs may run side by side. */
  readonly jobs: number
  /** Processes and threads that jobs may be promised: its own agent counts them, and says none. */
  readonly pids?: number | undefined
}

/** What one job may have where a host gives away more than it has. */
export type JobSize = Pick<Capacity, 'cpuMilli' | 'memoryBytes'>

/**
 * What keeps a job to its disk: `hard`, a file system that is full then; `soft`, somebody who looks
 * every few seconds; `none`, nobody, in versions that did not know of it.
 */
export const DISK_LIMITS = ['none', 'soft', 'hard'] as const
export type DiskLimit = (typeof DISK_LIMITS)[number]

/** What an agent is and has free; gossiped on change and every 30 s +- 20 %. */
export interface Advertisement {
  readonly peerId: string
  readonly name: string
  /** Process nonce and counter: a receiver keeps the highest counter of the latest boot. */
  readonly boot: string
  readonly sequence: number
  readonly state: AgentState
  readonly version: string
  readonly platforms: readonly Platform[]
  readonly labels: Readonly<Record<string, string>>
  /** Networks that this host enforces and offers; without one, jobs with network `none` only. */
  readonly networks: readonly NetworkAbility[]
  /** What keeps jobs to them; absent where nothing is proven. */
  readonly networkRules?: NetworkRules | undefined
  readonly isolation: Isolation
  readonly diskLimit: DiskLimit
  /** Undefined where the host's owner takes whatever fits. */
  readonly policy: HostPolicy | undefined
  /** Set while the owner's hours or the host's load keep new jobs away. */
  readonly closing: Closing | undefined
  /** Whether jobs that build images may run here; absent is no. */
  readonly builder?: boolean | undefined
  /** GPUs of the host, those that take no job as well; absent is none. */
  readonly gpus?: readonly Gpu[] | undefined
  /** Keys of images and repositories that it has at hand, see `warmKeysOf`; absent is none. */
  readonly warm?: readonly string[] | undefined
  /** What a job costs its owner here, in per cent of a plain host; absent is 100. */
  readonly costPercent?: number | undefined
  /** Absent: none is shared, and none is for untrusted jobs. */
  readonly gpuTerms?: GpuTerms | undefined
  /** Images that some job could not have here lately, and what they are for; absent is none. */
  readonly imagesLacking?: readonly ImagePlatforms[] | undefined
  /** What jobs hold of them now, one entry a GPU; absent is nothing. */
  readonly gpusHeld?: readonly GpuUse[] | undefined
  /** How they are used, as their agent saw it last; absent where nothing of it is known. */
  readonly gpuLook?: GpuLook | undefined
  readonly capacity: Capacity
  /** The most that one job may have of it, below `capacity`; absent is all. */
  readonly largest?: JobSize | undefined
  readonly free: Capacity
  readonly diskFreeBytes: number
  readonly engine: string
  /** Ids of the jobs held now. */
  readonly jobs: readonly string[]
  /** Wall clock of the sender, to show a clock that is off; never decides anything. */
  readonly sentAtMs: number
  /** The last one of a process that stops: a goodbye, seen as offline at once. */
  readonly leaving: boolean
}

/** The highest sequence heard of one process of an agent. */
export interface BootHeard {
  readonly boot: string
  readonly sequence: number
}

/**
 * What is remembered of an agent's processes after `next`, newest first; undefined where `next`
 * says nothing new. Nonces have no order, so between two processes the one that spoke last counts:
 * a late copy of a dead process is ignored, or is corrected by the living one's next advertisement.
 */
export function hearBoot(
  heard: readonly BootHeard[],
  next: BootHeard
): readonly BootHeard[] | undefined {
  const known = heard.find((entry) => entry.boot === next.boot)
  // Without this a relayed copy of an older advertisement would bring back capacity that is taken.
  if (known !== undefined && next.sequence <= known.sequence) return undefined
  const others = heard.filter((entry) => entry.boot !== next.boot)
  return [{ boot: next.boot, sequence: next.sequence }, ...others].slice(0, AGENT_BOOTS_MAX)
}
