import { z } from 'zod'
import type { GpuUseReading } from '../probe/gpu/use/host-gpu-use.ts'

const figure = z.number().int().nullable()

export const gpuUseSchema = z.strictObject({
  gpu: z.string().describe('its id'),
  busyPercent: figure.describe('of the time since the look before; null where nobody says it'),
  memoryBytes: figure,
  powerWatts: figure,
  temperature: figure.describe('Celsius'),
  jobs: z.array(z.strictObject({ job: z.string(), busyPercent: figure, memoryBytes: figure }))
})

export type GpuUseView = z.infer<typeof gpuUseSchema>

/** One entry a GPU that was looked at, with each job that has it. */
export function gpuUseView({ devices, jobs }: GpuUseReading): GpuUseView[] {
  return [...devices].map(([gpu, use]) => ({
    gpu,
    busyPercent: use.busyPercent ?? null,
    memoryBytes: use.memoryBytes ?? null,
    powerWatts: use.powerWatts ?? null,
    temperature: use.temperature ?? null,
    jobs: [...jobs].flatMap(([job, uses]) =>
      uses
        .filter((each) => each.gpu === gpu)
        .map(({ busyPercent, memoryBytes }) => ({
          job,
          busyPercent: busyPercent ?? null,
          memoryBytes: memoryBytes ?? null
        }))
    )
  }))
}
