import type { Metrics } from '../../protocol/api/metrics.ts'
import type { Capacity } from '../../protocol/core/advertisement.ts'
import { gpusHeldOf, type Ledger } from '../../protocol/core/capacity.ts'
import type { Gpu } from '../../protocol/core/gpu.ts'
import { GPU_WHOLE } from '../../protocol/core/gpu-request-limits.ts'

export interface CapacityMetricsParts {
  readonly ledger: () => Ledger
  /** What others are told that is free: nothing while no job may begin here. */
  readonly free: () => Capacity
  readonly gpus: () => readonly Gpu[]
}

type Amounts = Pick<Capacity, 'cpuMilli' | 'memoryBytes' | 'diskBytes' | 'jobs'>

const UNITS: readonly (readonly [string, string, (amounts: Amounts) => number])[] = [
  ['cpu_cores', 'Cores', ({ cpuMilli }) => cpuMilli / 1_000],
  ['memory_bytes', 'Memory', ({ memoryBytes }) => memoryBytes],
  ['disk_bytes', 'Disk of the engine', ({ diskBytes }) => diskBytes],
  ['jobs', 'Places for jobs', ({ jobs }) => jobs]
]

/** What this host gives to jobs: all of it, what leases have, and what may be claimed now. */
export function capacityMetrics(metrics: Metrics, parts: CapacityMetricsParts): void {
  const { ledger, free, gpus } = parts
  for (const [unit, what, of] of UNITS) {
    const { capacity } = ledger()
    // Of a disk whose size is not known 0 is said on the wire.
    if (unit === 'disk_bytes' && of(capacity) === 0) continue
    metrics.value(`agent_capacity_${unit}`, `${what} that jobs may have.`, () => {
      return of(ledger().capacity)
    })
    metrics.value(`agent_leased_${unit}`, `${what} that leased jobs have.`, () => {
      return of(leasedOf(ledger()))
    })
    metrics.value(`agent_available_${unit}`, `${what} that may be claimed now.`, () => of(free()))
  }
  metrics.value('agent_capacity_gpus', 'GPUs, or parts of divided ones, that are well.', () => {
    return wellOf(gpus()).length
  })
  metrics.value('agent_leased_gpus', 'Of those held by jobs, shares as fractions.', () => {
    const held = gpusHeldOf(ledger())
    return held.reduce((sum, { units }) => sum + units / GPU_WHOLE, 0)
  })
  metrics.value('agent_available_gpus', 'Well ones of which no job has anything.', () => {
    const held = gpusHeldOf(ledger())
    const isFree = ({ id, parent }: Gpu): boolean =>
      held.every((each) => each.id !== id && each.id !== parent && each.parent !== id)
    return wellOf(gpus()).filter(isFree).length
  })
}

function wellOf(gpus: readonly Gpu[]): readonly Gpu[] {
  return gpus.filter(({ health }) => health === 'ok')
}

function leasedOf({ held }: Ledger): Amounts {
  const sum = { cpuMilli: 0, memoryBytes: 0, diskBytes: 0, jobs: held.size }
  for (const share of held.values()) {
    sum.cpuMilli += share.cpuMilli
    sum.memoryBytes += share.memoryBytes
    sum.diskBytes += share.diskBytes
  }
  return sum
}
