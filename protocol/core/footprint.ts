import { PIDS_MAX } from './limits.ts'
import type { JobSpec, Resources } from './run.ts'

/**
 * What a job takes of a host: its own container's resources, and those of all its services. Whoever
 * places it, claims it or sets room aside for it counts this.
 */
export function footprintOf({ resources, services = [] }: Footprinted): Resources {
  if (services.length === 0) return resources
  let { cpuMilli, memoryBytes } = resources
  for (const service of services) {
    cpuMilli += service.resources.cpuMilli
    memoryBytes += service.resources.memoryBytes
  }
  return { ...resources, cpuMilli, memoryBytes }
}

type Footprinted = Pick<JobSpec, 'resources' | 'services'>

/** Processes and threads that it may have at one time, each of its containers up to its limit. */
export function pidsOf({ resources, services = [] }: Footprinted): number {
  return (resources.pidsMax ?? PIDS_MAX) + services.length * PIDS_MAX
}
