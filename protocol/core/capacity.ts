import type { Capacity } from './advertisement.ts'
import type { Resources } from './run.ts'

/** What an agent has and which jobs hold how much of it. */
export interface Ledger {
  readonly capacity: Capacity
  /** By job id. */
  readonly held: ReadonlyMap<string, Resources>
}

export type Reservation =
  | { readonly kind: 'reserved'; readonly ledger: Ledger }
  /** The job holds its share already: reserving twice counts once. */
  | { readonly kind: 'held'; readonly ledger: Ledger }
  | { readonly kind: 'full'; readonly ledger: Ledger }

export const NO_ROOM: Capacity = { cpuMilli: 0, memoryBytes: 0, jobs: 0 }

export function ledgerOf(capacity: Capacity): Ledger {
  return { capacity, held: new Map() }
}

/** Sets aside what a job needs, before its claim: two claims in flight never share one slot. */
export function reserve(ledger: Ledger, jobId: string, wanted: Resources): Reservation {
  if (ledger.held.has(jobId)) return { kind: 'held', ledger }
  const free = freeOf(ledger)
  const short =
    free.jobs < 1 || free.cpuMilli < wanted.cpuMilli || free.memoryBytes < wanted.memoryBytes
  // A negative or broken amount would hand out room that others hold.
  if (short || !isAmount(wanted.cpuMilli) || !isAmount(wanted.memoryBytes)) {
    return { kind: 'full', ledger }
  }
  const { cpuMilli, memoryBytes } = wanted
  const held = new Map(ledger.held).set(jobId, { cpuMilli, memoryBytes })
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
  let { cpuMilli, memoryBytes } = ledger.capacity
  for (const share of ledger.held.values()) {
    cpuMilli -= share.cpuMilli
    memoryBytes -= share.memoryBytes
  }
  return { cpuMilli, memoryBytes, jobs: ledger.capacity.jobs - ledger.held.size }
}

function isAmount(amount: number): boolean {
  return Number.isSafeInteger(amount) && amount >= 0
}
