import { type Checker, keyOf } from '../events.ts'

/** I1: one value per ballot, and no ballot is begun twice. */
export function checkI1(): Checker {
  const values = new Map<string, string>()
  const begun = new Set<string>()
  return (event) => {
    if (event.kind === 'prepares') {
      const name = `${event.place} ${keyOf(event.ballot)}`
      if (begun.has(name)) return `I1: ballot ${name} is begun a second time`
      begun.add(name)
      return
    }
    if (event.kind !== 'proposes' && event.kind !== 'takes') return
    const name = `${event.place} ${keyOf(event.ballot)}`
    const before = values.get(name) ?? event.hash
    values.set(name, before)
    return before === event.hash ? undefined : `I1: two values under ballot ${name}`
  }
}
