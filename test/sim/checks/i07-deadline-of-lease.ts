import type { Checker } from '../events.ts'

/**
 * I7: the deadline file of a container never says more than the lease that its holder believes in,
 * whatever the steps have been promised: the guard knows of nothing else.
 */
export function checkDeadlineOfLease(): Checker {
  const leases = new Map<string, number>()
  let written: { readonly claimId: string; readonly untilMs: number } | undefined
  return (event) => {
    if (event.kind === 'holds') leases.set(event.claimId, event.untilMs)
    const before = written
    written = event.kind === 'deadline' ? event : undefined
    // A holder believes what it has written in the same turn.
    if (before === undefined || before.untilMs <= (leases.get(before.claimId) ?? 0)) return
    return `I7: the deadline of claim ${before.claimId} is later than its lease`
  }
}
