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
