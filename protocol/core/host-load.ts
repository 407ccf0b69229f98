import {
  HOST_LOAD_OPENS_BELOW,
  HOST_MEMORY_OPENS_ABOVE,
  HOST_PIDS_SPARE,
  HOST_PIDS_SPARE_SHARE
} from './host-policy-limits.ts'

/** Processes and threads. */
export interface HostPids {
  readonly used: number
  /** That the kernel lets be at one time. */
  readonly max: number
}

/** How busy a host may be for new jobs to begin there. */
export interface LoadLimits {
  /** Load average of one minute for each core; undefined limits nothing. */
  readonly perCore: number | undefined
  /** Bytes of memory that must be available. */
  readonly freeMemoryBytes: number | undefined
  /** Per cent of the last ten seconds in which some process waited for memory; absent, no limit. */
  readonly memoryPressure?: number | undefined
  /** True: so many processes are left that any job can begin, and the host has its own. */
  readonly sparePids?: boolean | undefined
}

/** What the kernel says of a host, all that runs on it included. */
export interface HostLoad {
  /** Load average of one minute, of all cores together. */
  readonly average: number
  readonly cores: number
  readonly availableBytes: number
  readonly totalBytes: number
  /** Undefined where the kernel does not count it. */
  readonly memoryPressure?: number | undefined
  /** Undefined where the kernel does not say. */
  readonly pids?: HostPids | undefined
}

/** Which limit keeps new jobs away. */
export type LoadBreach = 'average' | 'memory' | 'pressure' | 'pids'

/**
 * Undefined where new jobs may begin. A host that was closed opens again only well within its
 * limits: near them it would open and close with every breath.
 */
export function loadBreach(
  limits: LoadLimits,
  load: HostLoad,
  wasClosed: boolean
): LoadBreach | undefined {
  const { perCore, freeMemoryBytes, memoryPressure } = limits
  const share = wasClosed ? HOST_LOAD_OPENS_BELOW : 1
  if (limits.sparePids === true && lacksPids(load.pids, wasClosed)) return 'pids'
  if (perCore !== undefined && load.average / load.cores > perCore * share) return 'average'
  // Memory may be free and hard to get at the same time: what waits for it says so first. Where
  // nobody counts it the owner's limit would be none.
  const pressure = load.memoryPressure ?? Number.POSITIVE_INFINITY
  if (memoryPressure !== undefined && pressure > memoryPressure * share) return 'pressure'
  if (freeMemoryBytes === undefined) return undefined
  const wantedBytes = wasClosed ? reopensAt(freeMemoryBytes, load.totalBytes) : freeMemoryBytes
  return load.availableBytes < wantedBytes ? 'memory' : undefined
}

/** Never so much that a host which could open at all never does again. */
function reopensAt(freeBytes: number, totalBytes: number): number {
  const spareBytes = Math.max(0, totalBytes - freeBytes)
  return freeBytes + HOST_MEMORY_OPENS_ABOVE * Math.min(freeBytes, spareBytes)
}

/** What stays free of the limit; of a low one a part, or such a host would never open. */
export function sparePidsOf({ max }: HostPids): number {
  return Math.min(HOST_PIDS_SPARE, Math.floor(max * HOST_PIDS_SPARE_SHARE))
}

function lacksPids(pids: HostPids | undefined, wasClosed: boolean): boolean {
  if (pids === undefined) return false
  const spare = sparePidsOf(pids)
  return pids.max - pids.used < (wasClosed ? spare * (1 + HOST_MEMORY_OPENS_ABOVE) : spare)
}
