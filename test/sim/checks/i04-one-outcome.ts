import { compareBallots } from '../../../protocol/core/ballot.ts'
import { isTerminal, type JobState } from '../../../protocol/core/job.ts'
import type { Checker } from '../events.ts'
import { type Chosen, Past } from './past.ts'

/** Exit codes of our own kills: the guard's, the guardian's, and those of signals that we send. */
const OUR_EXITS = new Set([74, 75, 76, 137, 143])

/**
 * I4: a terminal value absorbs, a job has one outcome, and an outcome that a holder reported is of
 * an epoch that was its lease.
 */
export function checkI4(): Checker {
  const past = new Past()
  const outcomes = new Map<string, Chosen>()
  return (event) => {
    const chosen = past.see(event)
    if (chosen === undefined) return
    const { place, value } = chosen
    const { register } = value
    const before = outcomes.get(register)
    // A majority of a lower round may come together late: that is the past, and the end came after.
    const isLater = before !== undefined && isAfter(chosen, before)
    if (isLater && before.hash !== chosen.hash) return `I4: ${place} goes on after its end`
    // A stop-sign is no end: the job goes on elsewhere.
    if (value.kind !== 'job' || !isTerminal(value.phase) || value.phase === 'moved') return
    if (before !== undefined && before.hash !== chosen.hash) return `I4: ${place} ends in two ways`
    outcomes.set(register, before ?? chosen)
    return reportProblem(place, value, past)
  }
}

// Ballots of two places say nothing of each other: of those the versions tell.
function isAfter(one: Chosen, before: Chosen): boolean {
  if (one.place === before.place) return compareBallots(one.ballot, before.ballot) > 0
  return one.value.version > before.value.version
}

function reportProblem(place: string, value: JobState, past: Past): string | undefined {
  const { actor, body } = value.op
  if (body.kind !== 'complete') return
  const { epoch, claimId, outcome } = body
  // A kill by us is never an outcome (4.12.9).
  if (OUR_EXITS.has(outcome.exitCode ?? 0)) return `I4: ${place} ends by our own kill`
  for (const one of past.chain(value)) {
    if (one.kind !== 'job' || one.epoch !== epoch || one.lease === undefined) continue
    if (one.lease.holder === actor && one.lease.claimId === claimId) return
  }
  return `I4: ${place} has an outcome of epoch ${epoch} by ${actor}, which was not its lease`
}
