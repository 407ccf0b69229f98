import type { RegisterValue } from '../../../protocol/core/messages.ts'
import { runIdOf } from '../../../protocol/core/run.ts'
import type { Checker } from '../events.ts'

/**
 * I11: one configuration a run: everybody looks for it at the same stores, it is chosen under one
 * witness epoch, and its jobs are made of the announcement that was chosen (4.12.7).
 */
export function checkI11(): Checker {
  const stores = new Map<string, string>()
  const epochs = new Map<string, string>()
  const announced = new Map<string, string>()
  const isSame = (known: Map<string, string>, name: string, text: string): boolean => {
    if (!known.has(name)) known.set(name, text)
    return known.get(name) === text
  }
  const choose = (place: string, { kind, annHash, register }: RegisterValue) => {
    const runId = runIdOf(register)
    if (kind === 'run') {
      announced.set(runId, annHash)
      if (isSame(epochs, runId, place)) return
      return `I11: ${runId} is chosen at ${epochs.get(runId)} and at ${place}`
    }
    if (!announced.has(runId)) return `I11: ${place} is made before its run is chosen`
    if (announced.get(runId) === annHash) return
    return `I11: ${place} is of another announcement`
  }
  return (event) => {
    if (event.kind === 'chosen') return choose(event.place, event.value)
    if (event.kind !== 'addresses') return
    const name = `${event.runId}@${event.witnessEpoch}`
    if (isSame(stores, name, event.stores)) return
    return `I11: ${name} is looked for at other stores`
  }
}
