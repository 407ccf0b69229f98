import type { JobState } from '../../../protocol/core/job.ts'
import type { Checker } from '../events.ts'
import { Past } from './past.ts'

/** I5: epochs along the chain are 1, 2, 3 and so on, each of one holder and claim. */
export function checkI5(): Checker {
  const past = new Past()
  const holders = new Map<string, string>()
  return (event) => {
    const chosen = past.see(event)
    if (chosen?.value.kind !== 'job') return
    const { place, value } = chosen
    const problem = stepProblem(place, value, past)
    if (problem !== undefined || value.lease === undefined) return problem
    const name = `${value.register} ${value.epoch}`
    const holder = `${value.lease.holder} ${value.lease.claimId}`
    const known = holders.get(name) ?? holder
    holders.set(name, known)
    return known === holder ? undefined : `I5: two holders of epoch ${value.epoch} of ${place}`
  }
}

function stepProblem(place: string, value: JobState, past: Past): string | undefined {
  const before = past.before(value)
  if (before === undefined && value.version > 1) return
  const epochBefore = before?.kind === 'job' ? before.epoch : 0
  const isNext = value.lease !== undefined && value.op.body.kind === 'claim'
  if (value.epoch === epochBefore + (isNext ? 1 : 0)) return
  return `I5: ${place} goes from epoch ${epochBefore} to ${value.epoch}`
}
