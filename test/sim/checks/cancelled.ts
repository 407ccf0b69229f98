import type { JobState } from '../../../protocol/core/job.ts'
import type { Checker } from '../events.ts'

/**
 * A cancel ends its job for good: no attempt begins after it, and what its holder has told to end
 * has no outcome of its own any more.
 */
export function checkCancelled(): Checker {
  /** Epoch in which a job was cancelled, by job. */
  const cancelled = new Map<string, number>()
  const told = new Set<string>()
  const choose = ({ register, cancel, epoch, op: { body } }: JobState): string | undefined => {
    if (cancel !== undefined) cancelled.set(register, cancelled.get(register) ?? epoch)
    if (body.kind !== 'complete' || !told.has(body.claimId)) return
    const { state } = body.outcome
    return state === 'cancelled'
      ? undefined
      : `cancel: ${register} was told to end, and is ${state}`
  }
  return (event) => {
    if (event.kind === 'told_to_end') told.add(event.claimId)
    if (event.kind === 'chosen' && event.value.kind === 'job') return choose(event.value)
    if (event.kind !== 'user_code') return
    if (event.epoch <= (cancelled.get(event.job) ?? event.epoch)) return
    return `cancel: ${event.job} has an attempt after its cancel`
  }
}

/** Where lease or network is lost, in a grace too, its holder ends the container at once. */
export function checkEndedAtOnce(): Checker {
  const due = new Map<string, number>()
  return (event) => {
    if (event.kind === 'must_end') due.set(event.claimId, event.atMs)
    if (event.kind === 'removes') due.delete(event.claimId)
    for (const [claimId, atMs] of due) {
      if (event.atMs > atMs)
        return `cancel: claim ${claimId} is lost, and what it runs is not ended`
    }
    return
  }
}
