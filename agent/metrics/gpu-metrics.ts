import type { Metrics, Reading } from '../../protocol/api/metrics.ts'
import { seconds, stateSet } from '../../protocol/api/metrics.ts'
import { GPU_HEALTHS, type Gpu, vendorOf } from '../../protocol/core/gpu.ts'
import { METRICS_JOBS_MAX } from '../../protocol/core/metrics-limits.ts'
import type { DeviceUse } from '../probe/gpu/use/gpu-use.ts'
import type { GpuUseReading, TenantUse } from '../probe/gpu/use/host-gpu-use.ts'

export interface GpuMetricsParts {
  readonly gpus: () => readonly Gpu[]
  /** What the last look at their use has seen, and how long ago that was. */
  readonly use: () => GpuUseReading
  readonly useAgeMs: () => number | undefined
}

const DEVICE = ['gpu', 'vendor'] as const

/** The GPUs of this host, each by its id; what a driver does not say is not there. */
export function gpuMetrics(metrics: Metrics, { gpus, use, useAgeMs }: GpuMetricsParts): void {
  const labels = ['model', 'driver', 'architecture', 'parent']
  metrics.gauge(
    { name: 'agent_gpu_info', help: 'What each GPU is.', labels: [...DEVICE, ...labels] },
    () =>
      gpus().map((gpu) => {
        const { model, driver, architecture, parent = '' } = gpu
        return { labels: { ...device(gpu.id), model, driver, architecture, parent }, value: 1 }
      })
  )
  metrics.gauge(
    { name: 'agent_gpu_health', help: '1 for its health.', labels: [...DEVICE, 'health'] },
    () =>
      gpus().flatMap(({ id, health }) =>
        stateSet('health', GPU_HEALTHS, health).map((reading) => ({
          ...reading,
          labels: { ...device(id), ...reading.labels }
        }))
      )
  )
  metrics.gauge(
    { name: 'agent_gpu_memory_bytes', help: 'Memory of its own.', labels: DEVICE },
    () => gpus().map(({ id, memoryBytes }) => ({ labels: device(id), value: memoryBytes }))
  )
  const figure = (name: string, help: string, of: (use: DeviceUse) => number | undefined): void => {
    metrics.gauge({ name: `agent_gpu_${name}`, help, labels: DEVICE }, () =>
      [...use().devices].map(([id, each]) => ({ labels: device(id), value: of(each) }))
    )
  }
  figure('busy_ratio', 'Part of the time in use, 0 to 1.', (each) => ratio(each.busyPercent))
  figure('memory_used_bytes', 'Memory in use.', (each) => each.memoryBytes)
  figure('power_watts', 'Power drawn.', (each) => each.powerWatts)
  figure('temperature_celsius', 'Temperature.', (each) => each.temperature)
  metrics.value('agent_gpu_use_age_seconds', 'Time since the use of GPUs was looked at.', () =>
    seconds(useAgeMs())
  )
  jobMetrics(metrics, use)
}

/** Of the jobs that run now; a job's series end with it. */
function jobMetrics(metrics: Metrics, use: GpuMetricsParts['use']): void {
  const labels = ['job', ...DEVICE]
  const read = (of: (use: TenantUse) => number | undefined): readonly Reading[] => {
    const jobs = [...use().jobs].slice(0, METRICS_JOBS_MAX)
    return jobs.flatMap(([job, uses]) =>
      uses.map((each) => ({ labels: { job, ...device(each.gpu) }, value: of(each) }))
    )
  }
  metrics.gauge(
    { name: 'agent_job_gpu_busy_ratio', help: 'Part of the time that a job uses it.', labels },
    () => read(({ busyPercent }) => ratio(busyPercent))
  )
  metrics.gauge(
    { name: 'agent_job_gpu_memory_used_bytes', help: 'Memory that a job has of it.', labels },
    () => read(({ memoryBytes }) => memoryBytes)
  )
}

function device(gpu: string): { readonly gpu: string; readonly vendor: string } {
  return { gpu, vendor: vendorOf(gpu) ?? '' }
}

function ratio(percent: number | undefined): number | undefined {
  return percent === undefined ? undefined : percent / 100
}
