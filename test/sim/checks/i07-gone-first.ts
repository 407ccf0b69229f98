import type { Checker } from '../events.ts'

/** I7: a holder ends or gives back no lease under which a container of its own still runs. */
export function checkGoneFirst(): Checker {
  const running = new Set<string>()
  return (event) => {
    if (event.kind === 'starts') running.add(event.claimId)
    if (event.kind === 'stops') running.delete(event.claimId)
    if (event.kind !== 'hears' || event.answer !== 'applied') return
    const { kind, claimId } = { claimId: '', ...event.op.body }
    if ((kind !== 'complete' && kind !== 'release') || !running.has(claimId)) return
    return `I7: ${event.place} is given up by a ${kind}, and its container runs`
  }
}
