import type { Capacity } from './advertisement.ts'
import { GPU_WHOLE } from './gpu-request-limits.ts'
import { type GpuHold, type GpuUse, usesOf } from './gpu-terms.ts'
import { PIDS_MAX } from './limits.ts'
import type { Resources } from './run.ts'
import { JOB_DISK_BYTES_DEFAULT } from './volume-limits.ts'

/** What an agent has and which jobs hold how much of it. */
export interface Ledger {
  readonly capacity: Capacity
  /** By job id. */
  readonly held: ReadonlyMap<string, Share>
  /** By job id, and by what `keepGpus` puts in its place. */
  readonly gpus: ReadonlyMap<string, readonly GpuHold[]>
}

export type Share = Readonly<Record<(typeof AMOUNTS)[number] | 'pids', number>>

export type Reservation =
  | { readonly kind: 'reserved'; readonly ledger: Ledger }
  /** The job holds its share already: reserving twice counts once. */
  | { readonly kind: 'held'; readonly ledger: Ledger }
  | { readonly kind: 'full'; readonly ledger: Ledger }

const AMOUNTS = ['cpuMilli', 'memoryBytes', 'diskBytes'] as const

export const NO_ROOM: Capacity = { cpuMilli: 0, memoryBytes: 0, diskBytes: 0, jobs: 0 }

export function ledgerOf(capacity: Capacity): Ledger {
  return { capacity, held: new Map(), gpus: new Map() }
}

/**
 * The disk of a job on a host of that capacity. One that says nothing gets a share that all others
 * can have beside it; everybody computes the same from what the host advertises.
 */
export function diskOf({ diskBytes }: Resources, { diskBytes: has, jobs }: Capacity): number {
  return diskBytes ?? Math.min(JOB_DISK_BYTES_DEFAULT, Math.floor(has / Math.max(1, jobs)))
}

/**
 * Sets aside what a job needs, before its claim: two claims in flight never share one slot, nor a
 * GPU. `gpus` are as `chooseGpus` gives them; the job is `full` where they are held meanwhile.
 */
export function reserve(
  ledger: Ledger,
  jobId: string,
  wanted: Resources,
  gpus: readonly GpuHold[] = []
): Reservation {
  if (ledger.held.has(jobId)) return { kind: 'held', ledger }
  const free = freeOf(ledger)
  const { cpuMilli, memoryBytes } = wanted
  const pids = wanted.pidsMax ?? PIDS_MAX
  const share: Share = { cpuMilli, memoryBytes, diskBytes: diskOf(wanted, ledger.capacity), pids }
  const short = AMOUNTS.some((amount) => free[amount] < share[amount]) || lacks(free.pids, pids)
  // A negative or broken amount would hand out room that others hold.
  if (short || free.jobs < 1 || !AMOUNTS.every((amount) => isAmount(share[amount]))) {
    return { kind: 'full', ledger }
  }
  if (!areFree(ledger, gpus)) return { kind: 'full', ledger }
  const held = new Map(ledger.held).set(jobId, share)
  return { kind: 'reserved', ledger: { ...ledger, held, gpus: withGpus(ledger, jobId, gpus) } }
}

/** Gives a job's share and its GPUs back; the same ledger where it holds none. */
export function release(ledger: Ledger, jobId: string): Ledger {
  if (!ledger.held.has(jobId) && !ledger.gpus.has(jobId)) return ledger
  const held = new Map(ledger.held)
  held.delete(jobId)
  return { ...ledger, held, gpus: withGpus(ledger, jobId, []) }
}

/** Jobs whose containers had these GPUs before this process began: whatever else is held. */
export function holdGpus(ledger: Ledger, jobId: string, gpus: readonly GpuHold[]): Ledger {
  return { ...ledger, gpus: withGpus(ledger, jobId, gpus) }
}

/**
 * Gives a job's share back, and its GPUs not: `claimId` holds them from now on, until
 * `releaseKept`. A container that could not be removed has them still.
 */
export function keepGpus(ledger: Ledger, jobId: string, claimId: string): Ledger {
  const gpus = ledger.gpus.get(jobId) ?? []
  return holdGpus(release(ledger, jobId), keptKey(jobId, claimId), gpus)
}

/** Once the container of that claim is gone. */
export function releaseKept(ledger: Ledger, jobId: string, claimId: string): Ledger {
  return holdGpus(ledger, keptKey(jobId, claimId), [])
}

/** What is held of each GPU, in the order of their ids. */
export function gpusHeldOf({ gpus }: Ledger): readonly GpuUse[] {
  return usesOf([...gpus].map(([key, holds]) => [jobOf(key), holds] as const))
}

/** No job's id has such a character. */
const KEPT = '/'

function keptKey(jobId: string, claimId: string): string {
  return `${jobId}${KEPT}${claimId}`
}

function jobOf(key: string): string {
  return key.split(KEPT)[0] ?? ''
}

function withGpus(
  { gpus }: Ledger,
  key: string,
  holds: readonly GpuHold[]
): ReadonlyMap<string, readonly GpuHold[]> {
  if (holds.length === 0 && !gpus.has(key)) return gpus
  const next = new Map(gpus)
  if (holds.length === 0) next.delete(key)
  else next.set(key, holds)
  return next
}

/** Whoever chose them: no more than all of a GPU is ever held, nor a part of one that is. */
function areFree({ gpus }: Ledger, wanted: readonly GpuHold[]): boolean {
  const held = [...gpus.values()].flat()
  return wanted.every(({ id, units, parent }, index) => {
    const others = [...held, ...wanted.slice(0, index)]
    const taken = others.reduce((sum, each) => sum + (each.id === id ? each.units : 0), 0)
    const isApart = others.every((each) => each.id !== parent && each.parent !== id)
    return isAmount(units) && units > 0 && taken + units <= GPU_WHOLE && isApart
  })
}

/** What is left: never negative, never above the capacity. */
export function freeOf(ledger: Ledger): Capacity {
  let { cpuMilli, memoryBytes, diskBytes } = ledger.capacity
  for (const share of ledger.held.values()) {
    cpuMilli -= share.cpuMilli
    memoryBytes -= share.memoryBytes
    diskBytes -= share.diskBytes
  }
  const jobs = ledger.capacity.jobs - ledger.held.size
  const pids = freePids(ledger)
  if (pids === undefined) return { cpuMilli, memoryBytes, diskBytes, jobs }
  // Others are told of slots alone: one that has no processes for a plain job is none.
  return {
    cpuMilli,
    memoryBytes,
    diskBytes,
    jobs: Math.min(jobs, Math.floor(pids / PIDS_MAX)),
    pids
  }
}

/** Never negative: what was adopted counts, whatever the host promises by now. */
function freePids({ capacity, held }: Ledger): number | undefined {
  if (capacity.pids === undefined) return undefined
  const taken = [...held.values()].reduce((sum, { pids }) => sum + pids, 0)
  return Math.max(0, capacity.pids - taken)
}

/** `free` is undefined where nobody counts them. */
export function lacks(free: number | undefined, wanted: number): boolean {
  return free !== undefined && free < wanted
}

function isAmount(amount: number): boolean {
  return Number.isSafeInteger(amount) && amount >= 0
}
