import type { Checker } from '../events.ts'

/**
 * I12: a store that has forgotten what it dropped does not begin it again, whatever comes late: the
 * floor answers for the tombstone. Only who names no announcement is told that nothing is there. A
 * promise begins nothing: what is taken for it is judged by its own announcement.
 */
export function checkForgotten(): Checker {
  const forgotten = new Set<string>()
  return (event) => {
    if (event.kind === 'forgets') forgotten.add(`${event.store} ${event.place}`)
    if (event.kind !== 'takes' && event.kind !== 'renews') return
    if (!forgotten.has(`${event.store} ${event.place}`)) return
    return `I12: ${event.store} ${event.kind} ${event.place}, which it has dropped and forgotten`
  }
}
