import type { RegisterValue } from '../../../protocol/core/messages.ts'
import type { Checker } from '../events.ts'

/** I5: epochs along the chain are 1, 2, 3 and so on, each of one holder and claim. */
export function checkI5(): Checker {
  const values = new Map<string, RegisterValue>()
  const holders = new Map<string, string>()
  return (event) => {
    if (event.kind === 'proposes') {
      values.set(event.hash, event.value)
      return
    }
    if (event.kind !== 'chosen') return
    const { place, value } = event
    values.set(event.hash, value)
    if (value.kind !== 'job') return
    const before = values.get(value.prevHash)
    const epochBefore = before?.kind === 'job' ? before.epoch : 0
    const isNext = value.lease !== undefined && value.op.body.kind === 'claim'
    const wanted = isNext ? epochBefore + 1 : epochBefore
    if ((before !== undefined || value.version === 1) && value.epoch !== wanted) {
      return `I5: ${place} goes from epoch ${epochBefore} to ${value.epoch}`
    }
    if (value.lease === undefined) return
    const name = `${place} ${value.epoch}`
    const holder = `${value.lease.holder} ${value.lease.claimId}`
    const known = holders.get(name) ?? holder
    holders.set(name, known)
    return known === holder ? undefined : `I5: two holders of epoch ${value.epoch} of ${place}`
  }
}
