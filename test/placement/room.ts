import type { Advertisement } from '../../protocol/core/advertisement.ts'
import { freeOf, gpusHeldOf, type Ledger, reserve } from '../../protocol/core/capacity.ts'
import { footprintOf } from '../../protocol/core/footprint.ts'
import { chooseGpus } from '../../protocol/core/gpu-allocation.ts'
import type { Room } from '../../protocol/core/requirements.ts'
import type { JobSpec } from '../../protocol/core/run.ts'

/** What a host has left beside what its ledger holds. */
export function roomIn(ledger: Ledger, { gpus, gpuTerms }: Advertisement): Room {
  const gpusHeld = gpusHeldOf(ledger)
  return { free: freeOf(ledger), capacity: ledger.capacity, gpus, gpuTerms, gpusHeld }
}

/** The ledger with the job, its GPUs too; undefined where there is no room. */
export function taken(
  ledger: Ledger,
  host: Advertisement,
  jobId: string,
  spec: JobSpec
): Ledger | undefined {
  const { gpu: request } = spec
  const wish = request === undefined ? undefined : { request, trust: 'trusted' as const }
  const choice = wish === undefined ? undefined : chooseGpus(wish, roomIn(ledger, host))
  if (choice?.kind === 'unmet') return undefined
  const reserved = reserve(ledger, jobId, footprintOf(spec), choice?.holds ?? [])
  return reserved.kind === 'reserved' ? reserved.ledger : undefined
}
