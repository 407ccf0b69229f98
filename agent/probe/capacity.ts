import type { Capacity } from '../../protocol/core/advertisement.ts'
import { formatBytes, formatCpu } from '../../protocol/core/quantities.ts'
import { JOB_DISK_PERCENT } from '../../protocol/core/volume-limits.ts'
import type { CapacitySettings, HostProblem } from './host-profile.ts'

/**
 * Share of the memory that jobs may have when the owner says nothing: the host needs some itself.
 */
const MEMORY_SHARE = 0.9
const MIB = 1_048_576

export interface HostSize {
  readonly cpus: number
  readonly memoryBytes: number
  /** Free on the engine's disk. */
  readonly diskBytes: number
}

/**
 * What the agent offers: the owner's figures, where there are none the host's own. Never more than
 * the host has: the engine refuses more cores, and memory that is not there is a lie.
 */
export function capacityOf(
  size: HostSize,
  settings: CapacitySettings
): { readonly capacity: Capacity; readonly problems: readonly HostProblem[] } {
  const cpuMilliMax = size.cpus * 1_000
  const cpuMilli = settings.cpuMilli ?? cpuMilliMax
  const memoryBytes =
    settings.memoryBytes ?? Math.floor((size.memoryBytes * MEMORY_SHARE) / MIB) * MIB
  const diskBytes =
    settings.diskBytes ?? Math.floor((size.diskBytes * JOB_DISK_PERCENT) / 100 / MIB) * MIB
  const problems = [
    ...above('cpu', cpuMilli, cpuMilliMax, formatCpu),
    ...above('memory', memoryBytes, size.memoryBytes, formatBytes)
  ]
  const capacity = {
    cpuMilli: Math.min(cpuMilli, cpuMilliMax),
    memoryBytes: Math.min(memoryBytes, size.memoryBytes),
    // Not cut to what is free now: images that go make room, and a full disk is told elsewhere.
    diskBytes,
    jobs: settings.jobs ?? Math.max(1, size.cpus)
  }
  return { capacity, problems }
}

function above(
  name: string,
  wanted: number,
  has: number,
  format: (amount: number) => string
): readonly HostProblem[] {
  if (wanted <= has) return []
  const found = `capacity.${name} is ${format(wanted)}, this host has ${format(has)}`
  const fix = `set capacity.${name} in agent.yaml to what the host has; until then that is offered`
  return [{ part: 'capacity', blocking: false, found, fix }]
}
