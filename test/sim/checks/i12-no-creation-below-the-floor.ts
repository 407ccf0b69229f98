import type { Checker } from '../events.ts'

/** I12: a witness creates nothing at or below the floor that it has taken of a gateway. */
export function checkI12(): Checker {
  const floors = new Map<string, number>()
  return (event) => {
    if (event.kind === 'floor') {
      const name = `${event.store} ${event.gateway}`
      floors.set(name, Math.max(event.gwSeq, floors.get(name) ?? 0))
    }
    if (event.kind !== 'creates') return
    const floor = floors.get(`${event.store} ${event.gateway}`) ?? 0
    if (event.gwSeq > floor) return
    return `I12: ${event.store} creates ${event.place} of number ${event.gwSeq}, below ${floor}`
  }
}
