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
  return (event) => {
    if (event.kind === 'addresses') {
      const name = `${event.runId}@${event.witnessEpoch}`
      const known = stores.get(name) ?? event.stores
      stores.set(name, known)
      return known === event.stores ? undefined : `I11: ${name} is looked for at other stores`
    }
    if (event.kind !== 'chosen') return
    const { value, place } = event
    const runId = runIdOf(value.register)
    if (value.kind === 'run') {
      const known = epochs.get(runId) ?? place
      epochs.set(runId, known)
      if (known !== place) return `I11: ${runId} is chosen at ${known} and at ${place}`
      announced.set(runId, value.annHash)
      return
    }
    const annHash = announced.get(runId)
    if (annHash === undefined) return `I11: ${place} is made before its run is chosen`
    return annHash === value.annHash ? undefined : `I11: ${place} is of another announcement`
  }
}
