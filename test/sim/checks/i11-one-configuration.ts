import type { JobState } from '../../../protocol/core/job.ts'
import type { RunState } from '../../../protocol/core/run.ts'
import { runIdOf } from '../../../protocol/core/run.ts'
import type { Checker, SimEvent } from '../events.ts'

/**
 * I11: one configuration a run: everybody looks for it at the same stores, it is chosen under one
 * witness epoch, and its jobs are made of the announcement that was chosen (4.12.7). A job begins
 * where its run did, and under another epoch only as what a stop-sign has sent there.
 */
export function checkI11(): Checker {
  const stores = new Map<string, string>()
  const runs = new Map<string, Run>()
  const signs = new Set<string>()
  return (event) => {
    if (event.kind === 'addresses') {
      const name = `${event.runId}@${event.witnessEpoch}`
      const before = stores.get(name) ?? event.stores
      stores.set(name, before)
      return before === event.stores ? undefined : `I11: ${name} is looked for at other stores`
    }
    if (event.kind === 'shown') return shownProblem(event, runs)
    if (event.kind !== 'chosen') return
    const { place, value } = event
    if (value.kind === 'run') return chooseRun(runs, place, value)
    const { register, moved } = value
    if (moved !== undefined) signs.add(`${register}@${moved.witnessEpoch}`)
    return jobProblem(place, value, runs.get(runIdOf(register)), signs)
  }
}

function shownProblem(
  { gateway, place, annHash }: Extract<SimEvent, { readonly kind: 'shown' }>,
  runs: ReadonlyMap<string, Run>
): string | undefined {
  const run = runs.get(place.slice(0, place.lastIndexOf('@')))
  if (run === undefined || run.annHash === annHash) return
  return `I11: ${gateway} shows ${place} by another announcement than the chosen one`
}

function jobProblem(
  place: string,
  { annHash }: JobState,
  run: Run | undefined,
  signs: ReadonlySet<string>
): string | undefined {
  if (run === undefined) return `I11: ${place} is made before its run is chosen`
  if (run.annHash !== annHash) return `I11: ${place} is of another announcement`
  if (epochOf(place) === run.witnessEpoch || signs.has(place)) return
  return `I11: ${place} is there, and no stop-sign has sent it`
}

interface Run {
  readonly annHash: string
  readonly witnessEpoch: number
}

function chooseRun(runs: Map<string, Run>, place: string, value: RunState): string | undefined {
  // A seal says that it is not here.
  if (value.phase === 'superseded') return
  const { register, annHash } = value
  const before = runs.get(register) ?? { annHash, witnessEpoch: epochOf(place) }
  runs.set(register, before)
  if (before.witnessEpoch === epochOf(place)) return
  return `I11: ${register} is chosen under ${before.witnessEpoch} and at ${place}`
}

function epochOf(place: string): number {
  return Number(place.slice(place.lastIndexOf('@') + 1))
}
