import { causeOf, MeshError } from '../../../protocol/core/errors.ts'
import type { ContainerBody } from '../engine-types.ts'
import type { LeasedGpu } from './leased-gpu.ts'

/** What engines, and what they run for a GPU, say of one that they cannot hand over. */
const UNPASSED = new RegExp(
  [
    'could not select device driver',
    'error gathering device information',
    'nvidia-(container-(cli|runtime)|ctk|cdi-hook)',
    'CDI device injection failed',
    'unresolvable CDI devices',
    'failed to inject (CDI )?devices',
    'invalid device (request|mode)'
  ].join('|'),
  'i'
)

/** Its image wants a newer driver than this host has: no fault of the GPU's. */
const UNMET = /nvidia-container-cli: requirement error/i

/**
 * `error` as GPU_NOT_PASSED, or GPU_REFUSED, where it is about the GPUs of what was to be made or
 * started; else as it is.
 */
export function gpuStartError(job: string, body: ContainerBody, error: unknown): unknown {
  const cause = causeOf(error)
  if (!hasGpus(body) || !UNPASSED.test(cause)) return error
  if (UNMET.test(cause)) {
    const gpu = 'a GPU whose driver is too old for its image'
    return new MeshError('GPU_REFUSED', { job, gpu, cause }, { cause: error })
  }
  return new MeshError('GPU_NOT_PASSED', { job, cause }, { cause: error })
}

/** Those of a lease that an engine's words name, by node or by id; all where it names none. */
export function suspects(gpus: readonly LeasedGpu[], cause: string): readonly string[] {
  const named = gpus.filter(({ device: { id, nodes } }) =>
    [...nodes.filter((path) => path !== '/dev/kfd'), id.slice(id.indexOf(':') + 1)].some((word) =>
      new RegExp(`${escaped(word)}(?![\\w-])`).test(cause)
    )
  )
  return (named.length > 0 ? named : gpus).map(({ device }) => device.id)
}

function hasGpus({ HostConfig }: ContainerBody): boolean {
  return ['Devices', 'DeviceRequests'].some((key) => {
    const asked = HostConfig[key]
    return Array.isArray(asked) && asked.length > 0
  })
}

function escaped(word: string): string {
  return word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
