import type { Checker, SimEvent } from '../events.ts'

/**
 * I12: a witness creates nothing at or below the floor that it has taken of a gateway; and what it
 * has dropped it neither takes, promises nor shows again, whatever comes late: it says `gone`.
 */
export function checkI12(): Checker {
  const floors = new Map<string, number>()
  const dropped = new Set<string>()
  const isDropped = ({ store, place }: At): boolean => dropped.has(`${store} ${place}`)
  const belowFloor = ({ store, gateway, gwSeq, place }: Created): string | undefined => {
    const floor = floors.get(`${store} ${gateway}`) ?? 0
    if (gwSeq > floor) return
    return `I12: ${store} creates ${place} of number ${gwSeq}, below ${floor}`
  }
  return (event) => {
    if (event.kind === 'drops') dropped.add(`${event.store} ${event.place}`)
    if (event.kind === 'forgets') dropped.delete(`${event.store} ${event.place}`)
    if (event.kind === 'floor') {
      const name = `${event.store} ${event.gateway}`
      floors.set(name, Math.max(event.gwSeq, floors.get(name) ?? 0))
    }
    if (event.kind === 'refuses' && event.answer !== 'gone' && isDropped(event)) {
      return `I12: ${event.store} says ${event.answer} of ${event.place}, which it has dropped`
    }
    if (isShowing(event) && isDropped(event)) {
      return `I12: ${event.store} ${event.kind} ${event.place}, which it has dropped`
    }
    return event.kind === 'creates' ? belowFloor(event) : undefined
  }
}

type At = Readonly<Record<'store' | 'place', string>>
type Created = Extract<SimEvent, { readonly kind: 'creates' }>
type Kind = 'takes' | 'promises' | 'renews' | 'creates' | 'replies'
type Showing = Extract<SimEvent, { readonly kind: Kind }>

function isShowing(event: SimEvent): event is Showing {
  // A reply that was made before the drop may leave after it, with what it showed then.
  if (event.kind === 'replies') return event.what === 'value' && event.accepted === undefined
  return ['takes', 'promises', 'renews', 'creates'].includes(event.kind)
}
