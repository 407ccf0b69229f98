import { type Checker, keyOf } from '../events.ts'

/**
 * I1: one value per ballot, and no ballot is begun twice. A proposer that lies may send two values
 * under one ballot; what one store takes is one all the same (F13).
 */
export function checkI1(rogues: ReadonlySet<string>): Checker {
  const values = new Map<string, string>()
  const begun = new Set<string>()
  const isOnly = (name: string, hash: string): boolean => {
    const before = values.get(name) ?? hash
    values.set(name, before)
    return before === hash
  }
  return (event) => {
    if (event.kind === 'prepares') {
      const name = `${event.place} ${keyOf(event.ballot)}`
      if (begun.has(name)) return `I1: ballot ${name} is begun a second time`
      begun.add(name)
      return
    }
    if (event.kind !== 'proposes' && event.kind !== 'takes') return
    const name = `${event.place} ${keyOf(event.ballot)}`
    if (event.kind === 'takes' && !isOnly(`${name} ${event.store}`, event.hash)) {
      return `I1: ${event.store} takes two values under ballot ${name}`
    }
    if (rogues.has(event.ballot.peer)) return
    return isOnly(name, event.hash) ? undefined : `I1: two values under ballot ${name}`
  }
}
