import { isTerminal, type JobState } from '../../../protocol/core/job.ts'
import type { Checker, SimEvent } from '../events.ts'

interface Open {
  readonly gateway: string
  readonly gwSeq: number
}

/** I12: no store takes a floor of a gateway above one of its jobs that is chosen, and open. */
export function checkFloors(): Checker {
  const created = new Map<string, Open>()
  const open = new Map<string, Open>()
  const ended = new Set<string>()
  const choose = ({ register, phase }: JobState): void => {
    const from = created.get(register)
    if (isTerminal(phase) && phase !== 'moved') {
      ended.add(register)
      open.delete(register)
    } else if (from !== undefined && !ended.has(register)) open.set(register, from)
  }
  return (event) => {
    if (event.kind === 'creates') {
      const { gateway, gwSeq } = event
      created.set(registerOf(event.place), { gateway, gwSeq })
    }
    if (event.kind === 'chosen' && event.value.kind === 'job') choose(event.value)
    return event.kind === 'floor' ? floorProblem(event, open) : undefined
  }
}

function floorProblem(
  { store, gateway, gwSeq }: Extract<SimEvent, { readonly kind: 'floor' }>,
  open: ReadonlyMap<string, Open>
): string | undefined {
  const above = [...open].find(([, one]) => one.gateway === gateway && one.gwSeq <= gwSeq)
  return above && `I12: ${store} takes floor ${gwSeq} of ${gateway}, above open ${above[0]}`
}

function registerOf(place: string): string {
  return place.slice(0, place.lastIndexOf('@'))
}
