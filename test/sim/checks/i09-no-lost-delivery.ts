import type { Checker } from '../events.ts'

/** I9: a delivery that is answered is in the inbox; a run shown as accepted is chosen. */
export function checkI9(): Checker {
  const inboxed = new Set<string>()
  const chosen = new Set<string>()
  return (event) => {
    if (event.kind === 'inboxed') inboxed.add(`${event.gateway} ${event.delivery}`)
    if (event.kind === 'chosen') chosen.add(event.place)
    if (event.kind === 'received' && !inboxed.has(`${event.gateway} ${event.delivery}`)) {
      return `I9: ${event.gateway} answers ${event.delivery} before it is stored`
    }
    if (event.kind === 'shown' && !chosen.has(event.place)) {
      return `I9: ${event.gateway} shows ${event.place} as accepted, and it is not chosen`
    }
    return
  }
}
