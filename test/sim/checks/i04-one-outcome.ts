import { compareBallots } from '../../../protocol/core/ballot.ts'
import { isTerminal } from '../../../protocol/core/job.ts'
import type { RegisterValue } from '../../../protocol/core/messages.ts'
import type { Checker, Written } from '../events.ts'

/**
 * I4: a terminal value absorbs, a job has one outcome, and an outcome that a holder reported is of
 * an epoch that was its lease. A definite answer is borne out by what is chosen.
 */
export function checkI4(): Checker {
  const values = new Map<string, RegisterValue>()
  const outcomes = new Map<string, Written>()
  return (event) => {
    if (event.kind === 'proposes') {
      values.set(event.hash, event.value)
      return
    }
    if (event.kind !== 'chosen') return
    const { place, hash, value } = event
    values.set(hash, value)
    const before = outcomes.get(place)
    // A majority of a lower round may come together late: that is the past, and the end came after.
    const isLater = before !== undefined && compareBallots(event.ballot, before.ballot) > 0
    if (isLater && before.hash !== hash) return `I4: ${place} goes on after its end`
    if (value.kind !== 'job' || !isTerminal(value.phase)) return
    if (before !== undefined && before.hash !== hash) return `I4: ${place} ends in two ways`
    outcomes.set(place, before ?? event)
    if (value.op.body.kind !== 'complete') return
    // A kill by us is never an outcome (4.12.9).
    const { exitCode } = value.op.body.outcome
    if (OUR_EXITS.has(exitCode ?? 0)) return `I4: ${place} ends by our own kill, exit ${exitCode}`
    const { epoch, claimId } = value.op.body
    const { actor } = value.op
    for (const past of chainOf(values, value)) {
      const lease = past.kind === 'job' ? past.lease : undefined
      if (past.kind !== 'job' || past.epoch !== epoch || lease === undefined) continue
      if (lease.holder === actor && lease.claimId === claimId) return
    }
    return `I4: ${place} has an outcome of epoch ${epoch} by ${actor}, which was not its lease`
  }
}

const OUR_EXITS = new Set([74, 75, 76, 137, 143])

function* chainOf(
  values: ReadonlyMap<string, RegisterValue>,
  newest: RegisterValue
): Generator<RegisterValue> {
  for (let at: RegisterValue | undefined = newest; at; at = values.get(at.prevHash)) yield at
}
