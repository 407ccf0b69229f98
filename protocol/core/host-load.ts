import { HOST_LOAD_OPENS_BELOW, HOST_MEMORY_OPENS_ABOVE } from './host-policy-limits.ts'

/** How busy a host may be for new jobs to begin there. */
export interface LoadLimits {
  /** Load average of one minute for each core; undefined limits nothing. */
  readonly perCore: number | undefined
  /** Bytes of memory that must be available. */
  readonly freeMemoryBytes: number | undefined
}

/** What the kernel says of a host, all that runs on it included. */
export interface HostLoad {
  /** Load average of one minute, of all cores together. */
  readonly average: number
  readonly cores: number
  readonly availableBytes: number
  readonly totalBytes: number
}

/** Which limit keeps new jobs away. */
export type LoadBreach = 'average' | 'memory'

/**
 * Undefined where new jobs may begin. A host that was closed opens again only well within its
 * limits: near them it would open and close with every breath.
 */
export function loadBreach(
  limits: LoadLimits,
  load: HostLoad,
  wasClosed: boolean
): LoadBreach | undefined {
  const { perCore, freeMemoryBytes } = limits
  const share = wasClosed ? HOST_LOAD_OPENS_BELOW : 1
  if (perCore !== undefined && load.average / load.cores > perCore * share) return 'average'
  if (freeMemoryBytes === undefined) return undefined
  const wantedBytes = wasClosed ? reopensAt(freeMemoryBytes, load.totalBytes) : freeMemoryBytes
  return load.availableBytes < wantedBytes ? 'memory' : undefined
}

/** Never so much that a host which could open at all never does again. */
function reopensAt(freeBytes: number, totalBytes: number): number {
  const spareBytes = Math.max(0, totalBytes - freeBytes)
  return freeBytes + HOST_MEMORY_OPENS_ABOVE * Math.min(freeBytes, spareBytes)
}
