import type { Capacity, JobSize } from '../../protocol/core/advertisement.ts'
import { type HostPids, sparePidsOf } from '../../protocol/core/host-load.ts'
import { HOST_JOBS_MAX } from '../../protocol/core/placement-limits.ts'
import { formatBytes, formatCpu } from '../../protocol/core/quantities.ts'
import { JOB_DISK_PERCENT } from '../../protocol/core/volume-limits.ts'
import type { CapacitySettings, HostProblem } from './host-profile.ts'

/**
 * Share of the memory that stays for the host when the owner says nothing: it needs some itself.
 */
const RESERVE_SHARE = 0.1
const MIB = 1_048_576

export interface HostSize {
  readonly cpus: number
  readonly memoryBytes: number
  /** Free on the engine's disk. */
  readonly diskBytes: number
  /** The kernel's limit; undefined where it is not known. */
  readonly pids?: HostPids | undefined
}

export interface Offered {
  readonly capacity: Capacity
  /** Absent where one job may have all of it. */
  readonly largest?: JobSize
  readonly problems: readonly HostProblem[]
}

/**
 * What the agent offers: the owner's figures, where there are none the host's own less a reserve,
 * and both times what the owner lets be given away twice. Never more than the host has without such
 * a factor, nor to one job with it: the engine refuses more cores, and memory that is not there is
 * a lie.
 */
export function capacityOf(size: HostSize, settings: CapacitySettings): Offered {
  const cpuMilliMax = size.cpus * 1_000
  const cpuMilli = settings.cpuMilli ?? cpuMilliMax
  const reserveBytes = settings.reserveBytes ?? size.memoryBytes * RESERVE_SHARE
  const spareBytes = Math.max(0, Math.floor((size.memoryBytes - reserveBytes) / MIB) * MIB)
  const memoryBytes = settings.memoryBytes ?? spareBytes
  // An owner who names a reserve means it, whatever else the file says.
  const memoryMax = settings.reserveBytes === undefined ? size.memoryBytes : spareBytes
  const diskBytes =
    settings.diskBytes ?? Math.floor((size.diskBytes * JOB_DISK_PERCENT) / 100 / MIB) * MIB
  const problems = [
    ...above('cpu', cpuMilli, cpuMilliMax, formatCpu),
    ...above('memory', memoryBytes, memoryMax, formatBytes)
  ]
  const largest = {
    cpuMilli: Math.min(cpuMilli, cpuMilliMax),
    memoryBytes: Math.min(memoryBytes, memoryMax)
  }
  const { cpu = 1, memory = 1 } = settings.overcommit ?? {}
  const capacity = {
    cpuMilli: Math.floor(largest.cpuMilli * cpu),
    memoryBytes: Math.floor((largest.memoryBytes * memory) / MIB) * MIB,
    // Not cut to what is free now: images that go make room, and a full disk is told elsewhere.
    diskBytes,
    jobs: settings.jobs ?? Math.min(HOST_JOBS_MAX, Math.max(1, Math.floor(size.cpus * cpu))),
    ...(size.pids === undefined ? {} : { pids: size.pids.max - sparePidsOf(size.pids) })
  }
  if (cpu === 1 && memory === 1) return { capacity: { ...capacity, ...largest }, problems }
  return { capacity, largest, problems }
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
