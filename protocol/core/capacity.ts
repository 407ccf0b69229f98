import type { Capacity } from './advertisement.ts'
import type { Resources } from './run.ts'
import { JOB_DISK_BYTES_DEFAULT } from './volume-limits.ts'

/** What an agent has and which jobs hold how much of it. */
export interface Ledger {
  readonly capacity: Capacity
  /** By job id. */
  readonly held: ReadonlyMap<string, Share>
}

export type Share = Readonly<Record<(typeof AMOUNTS)[number], number>>

export type Reservation =
  | { readonly kind: 'reserved'; readonly ledger: Ledger }
  /** The job holds its share already: reserving twice counts once. */
  | { readonly kind: 'held'; readonly ledger: Ledger }
  | { readonly kind: 'full'; readonly ledger: Ledger }

const AMOUNTS = ['cpuMilli', 'memoryBytes', 'diskBytes'] as const

export const NO_ROOM: Capacity = { cpuMilli: 0, memoryBytes: 0, diskBytes: 0, jobs: 0 }

export function ledgerOf(capacity: Capacity): Ledger {
  return { capacity, held: new Map() }
}

/**
 * The disk of a job on a host of that capacity. One that says nothing gets a share that all others
 * can have beside it; everybody computes the same from what the host advertises.
 */
export function diskOf({ diskBytes }: Resources, { diskBytes: has, jobs }: Capacity): number {
  return diskBytes ?? Math.min(JOB_DISK_BYTES_DEFAULT, Math.floor(has / Math.max(1, jobs)))
}

/** Sets aside what a job needs, before its claim: two claims in flight never share one slot. */
export function reserve(ledger: Ledger, jobId: string, wanted: Resources): Reservation {
  if (ledger.held.has(jobId)) return { kind: 'held', ledger }
  const free = freeOf(ledger)
  const { cpuMilli, memoryBytes } = wanted
  const share: Share = { cpuMilli, memoryBytes, diskBytes: diskOf(wanted, ledger.capacity) }
  const short = AMOUNTS.some((amount) => free[amount] < share[amount])
  // A negative or broken amount would hand out room that others hold.
  if (short || free.jobs < 1 || !AMOUNTS.every((amount) => isAmount(share[amount]))) {
    return { kind: 'full', ledger }
  }
  const held = new Map(ledger.held).set(jobId, share)
  return { kind: 'reserved', ledger: { capacity: ledger.capacity, held } }
}

/** Gives a job's share back; the same ledger where it holds none. */
export function release(ledger: Ledger, jobId: string): Ledger {
  if (!ledger.held.has(jobId)) return ledger
  const held = new Map(ledger.held)
  held.delete(jobId)
  return { capacity: ledger.capacity, held }
}

/** What is left: never negative, never above the capacity. */
export function freeOf(ledger: Ledger): Capacity {
  let { cpuMilli, memoryBytes, diskBytes } = ledger.capacity
  for (const share of ledger.held.values()) {
    cpuMilli -= share.cpuMilli
    memoryBytes -= share.memoryBytes
    diskBytes -= share.diskBytes
  }
  return { cpuMilli, memoryBytes, diskBytes, jobs: ledger.capacity.jobs - ledger.held.size }
}

function isAmount(amount: number): boolean {
  return Number.isSafeInteger(amount) && amount >= 0
}
