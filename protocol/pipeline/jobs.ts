import { CPU_MILLI_DEFAULT, JOB_TIMEOUT_MS_DEFAULT, MEMORY_BYTES_DEFAULT } from '../core/limits.ts'
import type { JobSpec, Resources, StepSpec } from '../core/run.ts'
import { gpuRequest } from './gpu.ts'
import type { JobDocument, StepDocument } from './job-schema.ts'
import { type Combination, PLATFORM_AXIS } from './matrix.ts'
import type { PipelineDocument } from './schema.ts'
import { serviceSpecs } from './services.ts'
import { nameOfScript } from './text.ts'

export interface Entry {
  readonly index: number
  readonly name: string
  /** With the values of its fields. */
  readonly job: JobDocument
  readonly defaults: PipelineDocument['defaults']
  readonly needs: readonly number[]
  readonly matrix: Combination | undefined
}

/** One job, complete with all defaults. */
export function jobSpec({ index, name, job, defaults, needs, matrix }: Entry): JobSpec {
  return {
    index,
    name,
    image: job.image ?? defaults?.image ?? '',
    platform: matrix?.[PLATFORM_AXIS] ?? job.platform,
    emulation: job.emulation ?? 'allow',
    resources: resourcesOf(job),
    labels: job.labels ?? {},
    env: job.env ?? {},
    timeoutMs: job.timeout ?? defaults?.timeout ?? JOB_TIMEOUT_MS_DEFAULT,
    onLoss: job.on_loss ?? 'retry',
    network: job.network ?? defaults?.network ?? 'none',
    steps: job.steps.map(stepSpec),
    ...boxOf(job),
    ...(needs.length === 0 ? {} : { needs }),
    ...turnOf(job),
    ...(matrix === undefined ? {} : { matrix })
  }
}

/** What of its box is not as in every other job. */
function boxOf(job: JobDocument): Partial<JobSpec> {
  const { isolation, secrets = [], services, builder, resources } = job
  const beside = serviceSpecs(services ?? {})
  return {
    ...(isolation === undefined ? {} : { isolation }),
    ...(secrets.length === 0 ? {} : { secrets }),
    ...(beside.length === 0 ? {} : { services: beside }),
    ...(builder === true ? { builder: true } : {}),
    ...(resources?.gpu === undefined ? {} : { gpu: gpuRequest(resources.gpu) })
  }
}

/** When and where it has its turn, as far as the file says so. */
function turnOf({
  retry = 0,
  priority = 0,
  concurrency,
  prefer,
  fallback_after
}: JobDocument): Partial<JobSpec> {
  const labels = prefer?.labels ?? {}
  return {
    ...(retry === 0 ? {} : { retries: retry }),
    ...(priority === 0 ? {} : { priority }),
    ...(concurrency === undefined ? {} : { concurrency: groupOf(concurrency) }),
    ...(Object.keys(labels).length === 0 ? {} : { prefer: labels }),
    ...(fallback_after === undefined ? {} : { fallbackAfterMs: fallback_after })
  }
}

function groupOf({
  group,
  cancel_superseded
}: NonNullable<JobDocument['concurrency']>): NonNullable<JobSpec['concurrency']> {
  return { group, cancelSuperseded: cancel_superseded ?? false }
}

/** With all defaults. */
export function resourcesOf({ resources }: Pick<JobDocument, 'resources'>): Resources {
  const pidsMax = resources?.pids
  return {
    cpuMilli: resources?.cpu ?? CPU_MILLI_DEFAULT,
    memoryBytes: resources?.memory ?? MEMORY_BYTES_DEFAULT,
    diskBytes: resources?.disk,
    ...(pidsMax === undefined ? {} : { pidsMax })
  }
}

function stepSpec(step: StepDocument): StepSpec {
  return {
    name: step.name ?? nameOfScript(step.run),
    run: step.run,
    timeoutMs: step.timeout,
    ...(step.always === true ? { always: true } : {})
  }
}
