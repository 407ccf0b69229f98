import type { GpuLook } from '../protocol/core/gpu-look.ts'
import type { GpuSampler } from './probe/gpu/use/gpu-sampler.ts'

/**
 * What the last look saw, of GPUs that are said and jobs that are held; undefined where nothing of
 * it is known.
 */
export function gpuLookOf(
  { last, ageMs }: Pick<GpuSampler, 'last' | 'ageMs'>,
  said: ReadonlySet<string>,
  held: readonly string[]
): GpuLook | undefined {
  const gpus = [...last.devices].flatMap(([id, use]) => {
    const jobs = held.flatMap((job) => {
      const uses = last.jobs.get(job)?.filter(({ gpu }) => gpu === id) ?? []
      return uses.map(({ busyPercent, memoryBytes }) => ({ job, busyPercent, memoryBytes }))
    })
    const isKnown = Object.values(use).some((figure) => figure !== undefined)
    return said.has(id) && (isKnown || jobs.length > 0) ? [{ id, ...use, jobs }] : []
  })
  return gpus.length === 0 || ageMs === undefined ? undefined : { ageMs: Math.round(ageMs), gpus }
}
