import type { Ballot } from '../../../protocol/core/ballot.ts'
import { compareBallots, NO_BALLOT } from '../../../protocol/core/ballot.ts'
import type { Checker, SimEvent } from '../events.ts'
import { type Chosen, Past } from './past.ts'

type Heard = Extract<SimEvent, { readonly kind: 'hears' }>

/** What was answered of one register, and what its chosen values bear out. */
class Answers {
  readonly #noes = new Map<string, string>()
  readonly #yeses = new Set<string>()
  readonly #hashes = new Set<string>()
  #highest: Ballot = NO_BALLOT

  hear({ op, answer, base }: Heard): string | undefined {
    const name = `${op.actor} ${op.opId}`
    // Where nothing has landed yet a mover is told so, and asks again under the same id.
    const isEarly = op.body.kind === 'move' && base === ''
    const isNo = answer === 'rejected' || answer === 'busy'
    if (isNo && !isEarly) this.#noes.set(name, op.body.kind)
    if (answer === 'applied' && op.body.kind !== 'create') this.#yeses.add(name)
    // A busy one may rest on a promise alone: it says when to ask again, and no more.
    if (base === '' || answer === 'busy' || this.#hashes.has(base)) return
    return `I4: ${op.actor} hears ${answer} by a value that is not chosen`
  }

  choose(event: Chosen, past: Past): string | undefined {
    const applied = new Set<string>()
    this.#hashes.add(event.hash)
    for (const { op, prevHash } of past.chain(event.value)) {
      this.#hashes.add(prevHash)
      const name = `${op.actor} ${op.opId}`
      const no = this.#noes.get(name)
      if (no !== undefined) return `I4: ${op.actor} heard no to its ${no}, which is applied`
      applied.add(name)
    }
    // A majority of a lower round that comes together late lacks what was applied since.
    if (compareBallots(event.ballot, this.#highest) < 0) return
    this.#highest = event.ballot
    const lost = [...this.#yeses].find((name) => !applied.has(name))
    return lost === undefined ? undefined : `I4: ${lost} heard yes, and it is lost`
  }
}

/**
 * I4, as clients see it: an op that was answered with a definite no is never applied later, and
 * one that was answered with a yes stays (section 2, pitfalls 6 and 7). Judged at every choice.
 */
export function checkAnswers(): Checker {
  const past = new Past()
  const places = new Map<string, Answers>()
  const at = (place: string): Answers => {
    const answers = places.get(place) ?? new Answers()
    places.set(place, answers)
    return answers
  }
  return (event) => {
    const chosen = past.see(event)
    if (event.kind === 'hears') return at(event.place).hear(event)
    return chosen === undefined ? undefined : at(chosen.place).choose(chosen, past)
  }
}
