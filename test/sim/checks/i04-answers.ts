import type { Ballot } from '../../../protocol/core/ballot.ts'
import { compareBallots, NO_BALLOT } from '../../../protocol/core/ballot.ts'
import type { RegisterValue } from '../../../protocol/core/messages.ts'
import type { Checker } from '../events.ts'

/**
 * I4, as clients see it: an op that was answered with a definite no is never applied later, and
 * one that was answered with a yes stays (section 2, pitfalls 6 and 7). Judged at every choice.
 */
export function checkAnswers(): Checker {
  const values = new Map<string, RegisterValue>()
  const past = new Map<string, Set<string>>()
  const noes = new Map<string, string>()
  const highest = new Map<string, Ballot>()
  const yeses = new Map<string, Set<string>>()
  return (event) => {
    if (event.kind === 'proposes') {
      values.set(event.hash, event.value)
      return
    }
    if (event.kind === 'hears') {
      const { place, op, answer } = event
      const name = `${place} ${op.actor} ${op.opId}`
      if (answer === 'rejected' || answer === 'busy') noes.set(name, op.body.kind)
      // A busy one may rest on a promise alone: it says when to ask again, and no more.
      const isFounded = event.base === '' || answer === 'busy' || past.get(place)?.has(event.base)
      if (!isFounded) return `I4: ${op.actor} hears ${answer} by a value that is not chosen`
      if (answer === 'applied' && op.body.kind !== 'create') {
        const ids = yeses.get(place) ?? new Set()
        yeses.set(place, ids.add(`${op.actor} ${op.opId}`))
      }
      return
    }
    if (event.kind !== 'chosen') return
    values.set(event.hash, event.value)
    const applied = new Set<string>()
    const hashes = past.get(event.place) ?? new Set<string>()
    past.set(event.place, hashes.add(event.hash))
    for (let at: RegisterValue | undefined = event.value; at; at = values.get(at.prevHash)) {
      const { actor, opId } = at.op
      const no = noes.get(`${event.place} ${actor} ${opId}`)
      if (no !== undefined) return `I4: ${actor} heard no to its ${no}, which is applied`
      applied.add(`${actor} ${opId}`)
      hashes.add(at.prevHash)
    }
    // A majority of a lower round that comes together late lacks what was applied since.
    if (compareBallots(event.ballot, highest.get(event.place) ?? NO_BALLOT) < 0) return
    highest.set(event.place, event.ballot)
    const lost = [...(yeses.get(event.place) ?? [])].find((id) => !applied.has(id))
    return lost === undefined ? undefined : `I4: ${lost} heard yes, and it is lost`
  }
}
