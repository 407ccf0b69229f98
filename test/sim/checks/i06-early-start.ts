import { leasedJob } from '../../../protocol/core/lease-timer.ts'
import type { Checker, SimEvent } from '../events.ts'
import { Sleep } from './sleep.ts'

/** By lease length, as the plan has it: kept apart from the table that holders use. */
const HOLD_MS = new Map([
  [3_000, 2_200],
  [30_000, 27_000]
])
/** Of a clock that is as slow as it may be. */
const SLOWEST = 1.0101

/**
 * I6, where it begins: a claim or an adoption holds for no longer than from its first accept, which
 * a witness may have taken at once. Counted from the answers, it would outlive their timers.
 */
export function checkEarlyStart(): Checker {
  const sleep = new Sleep()
  const ends = new Map<string, number>()
  const begun = new Set<string>()
  return (event) => {
    sleep.see(event)
    if (event.kind === 'proposes') noteEnd(ends, event)
    if (event.kind !== 'holds') return
    const name = `${event.claimId} ${event.boot}`
    if (begun.has(name)) return
    begun.add(name)
    const endMs = ends.get(name) ?? Number.NEGATIVE_INFINITY
    if (event.untilMs <= endMs || sleep.isLagging(event.by)) return
    return `I6: ${event.by} counts its lease of ${event.job} from later than it asked for it`
  }
}

function noteEnd(ends: Map<string, number>, event: Extract<SimEvent, { kind: 'proposes' }>): void {
  const lease = leasedJob(event.value)?.lease
  if (lease === undefined) return
  const name = `${lease.claimId} ${lease.boot}`
  const holdMs = HOLD_MS.get(lease.leaseMs) ?? 0
  if (!ends.has(name)) ends.set(name, event.atMs + holdMs * SLOWEST)
}
