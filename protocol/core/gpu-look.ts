import { vendorOf } from './gpu.ts'
import { GPUS_MAX } from './gpu-limits.ts'
import { GPU_SHARES_MAX } from './gpu-request-limits.ts'

/** What a job that runs has of one GPU; undefined is what its driver does not say. */
export interface GpuJobUse {
  readonly job: string
  /** 0 to 100. */
  readonly busyPercent?: number | undefined
  readonly memoryBytes?: number | undefined
}

/** How one GPU is used. */
export interface GpuInUse extends Omit<GpuJobUse, 'job'> {
  readonly id: string
  readonly powerWatts?: number | undefined
  /** Celsius. */
  readonly temperature?: number | undefined
  readonly jobs: readonly GpuJobUse[]
}

/** What an agent saw when it last looked how its GPUs are used; for people, nothing goes by it. */
export interface GpuLook {
  /** How old that was when it was said. */
  readonly ageMs: number
  readonly gpus: readonly GpuInUse[]
}

const TEMPERATURE_MAX = 1_000

/** What is wrong with what an agent says of the use of its GPUs; undefined for nothing. */
export function gpuLookProblem({ gpus }: GpuLook): string | undefined {
  if (gpus.length === 0) return 'is of no GPU'
  if (gpus.length > GPUS_MAX) return `has ${gpus.length} entries, at most ${GPUS_MAX} are allowed`
  if (new Set(gpus.map(({ id }) => id)).size < gpus.length) return 'has one id twice'
  if (gpus.some(({ id }) => vendorOf(id) === undefined)) return 'has an id that is none'
  for (const { busyPercent, temperature = 0, jobs } of gpus) {
    if (jobs.length > GPU_SHARES_MAX) return `has more than ${GPU_SHARES_MAX} jobs of one GPU`
    if (new Set(jobs.map(({ job }) => job)).size < jobs.length) return 'has one job twice'
    const shares = [busyPercent, ...jobs.map((each) => each.busyPercent)]
    if (shares.some((percent = 0) => percent > 100)) return 'has more than 100 % of a time'
    if (Math.abs(temperature) > TEMPERATURE_MAX) return 'has a temperature that is none'
  }
  return undefined
}
