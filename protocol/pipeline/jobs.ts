import { CPU_MILLI_DEFAULT, JOB_TIMEOUT_MS_DEFAULT, MEMORY_BYTES_DEFAULT } from '../core/limits.ts'
import type { JobSpec, StepSpec } from '../core/run.ts'
import type { JobDocument, PipelineDocument, StepDocument } from './schema.ts'
import { serviceSpecs } from './services.ts'
import { nameOfScript } from './text.ts'

/** One job for each entry, complete with all defaults, in the order of the file. */
export function jobSpecs(document: PipelineDocument): readonly JobSpec[] {
  const { defaults } = document
  return Object.entries(document.jobs).map(([name, job], index) =>
    jobSpec({ index, name, job, defaults })
  )
}

interface Entry {
  readonly index: number
  readonly name: string
  readonly job: JobDocument
  readonly defaults: PipelineDocument['defaults']
}

function jobSpec({ index, name, job, defaults }: Entry): JobSpec {
  const services = serviceSpecs(job.services ?? {})
  return {
    index,
    name,
    image: job.image ?? defaults?.image ?? '',
    platform: job.platform,
    emulation: job.emulation ?? 'allow',
    resources: {
      cpuMilli: job.resources?.cpu ?? CPU_MILLI_DEFAULT,
      memoryBytes: job.resources?.memory ?? MEMORY_BYTES_DEFAULT,
      diskBytes: job.resources?.disk
    },
    labels: job.labels ?? {},
    env: job.env ?? {},
    timeoutMs: job.timeout ?? defaults?.timeout ?? JOB_TIMEOUT_MS_DEFAULT,
    onLoss: job.on_loss ?? 'retry',
    network: job.network ?? defaults?.network ?? 'none',
    steps: job.steps.map(stepSpec),
    ...(job.isolation === undefined ? {} : { isolation: job.isolation }),
    ...(job.secrets === undefined || job.secrets.length === 0 ? {} : { secrets: job.secrets }),
    ...(services.length === 0 ? {} : { services }),
    ...(job.builder === true ? { builder: true } : {})
  }
}

function stepSpec(step: StepDocument): StepSpec {
  return { name: step.name ?? nameOfScript(step.run), run: step.run, timeoutMs: step.timeout }
}
