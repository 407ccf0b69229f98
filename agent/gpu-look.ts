import { type GpuLook, gpuLookProblem } from '../protocol/core/gpu-look.ts'
import type { GpuSampler } from './probe/gpu/use/gpu-sampler.ts'
import { percent } from './probe/gpu/use/gpu-use.ts'

/**
 * What the last look saw, of GPUs that are said and jobs that are held; undefined where nothing of
 * it is known, and for what no message may hold.
 */
export function gpuLookOf(
  { last, ageMs }: Pick<GpuSampler, 'last' | 'ageMs'>,
  said: ReadonlySet<string>,
  held: readonly string[]
): GpuLook | undefined {
  const gpus = [...last.devices].flatMap(([id, use]) => {
    const jobs = held.flatMap((job) => {
      const uses = last.jobs.get(job)?.filter(({ gpu }) => gpu === id) ?? []
      return uses.map((each) => ({ job, ...amounts(each) }))
    })
    const { temperature } = use
    const heat = Number.isSafeInteger(temperature) ? temperature : undefined
    const figures = { ...amounts(use), powerWatts: whole(use.powerWatts), temperature: heat }
    const isKnown = Object.values(figures).some((figure) => figure !== undefined)
    return said.has(id) && (isKnown || jobs.length > 0) ? [{ id, ...figures, jobs }] : []
  })
  if (gpus.length === 0 || ageMs === undefined) return undefined
  const look = { ageMs: Math.round(ageMs), gpus }
  // A driver that says nonsense must not keep the whole advertisement from going out.
  return gpuLookProblem(look) === undefined ? look : undefined
}

interface Amounts {
  readonly busyPercent: number | undefined
  readonly memoryBytes: number | undefined
}

function amounts({ busyPercent, memoryBytes }: Amounts): Amounts {
  return { busyPercent: percent(busyPercent), memoryBytes: whole(memoryBytes) }
}

function whole(value: number | undefined): number | undefined {
  return Number.isSafeInteger(value) && (value ?? -1) >= 0 ? value : undefined
}
