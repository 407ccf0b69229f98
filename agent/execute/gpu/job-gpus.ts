import { causeOf, codeOf } from '../../../protocol/core/errors.ts'
import type { AttemptInput } from '../attempt.ts'
import type { GpuParts } from './gpu-parts.ts'
import type { GpuEngine, GpuPassage } from './gpu-passage.ts'
import type { PassingJob } from './gpu-passing.ts'
import { suspects } from './start-error.ts'

type Leasing = Pick<AttemptInput, 'jobId' | 'gpus'>

export interface JobGpusParts {
  readonly passage: Pick<GpuPassage, 'parts'>
  /** Told of a GPU that takes no job until it was read well again. */
  readonly doubt: (id: string, reason: string) => void
}

/** The GPUs of attempts, from before their container is made to after it is gone. */
export class JobGpus {
  readonly #parts: JobGpusParts

  constructor(parts: JobGpusParts) {
    this.#parts = parts
  }

  /** What the container of an attempt gets. What it gives throws GPU_REFUSED. */
  async pass(
    { jobId, gpus = [] }: Leasing,
    engine: GpuEngine
  ): Promise<(job: PassingJob) => GpuParts> {
    return await this.#parts.passage.parts(jobId, gpus, engine)
  }

  /** An attempt failed before its steps: the next job must not meet the same GPU in a moment. */
  failed({ gpus = [] }: Leasing, error: unknown): void {
    if (codeOf(error) !== 'GPU_NOT_PASSED') return
    const cause = causeOf(error instanceof Error ? (error.cause ?? error) : error)
    for (const id of suspects(gpus, cause)) {
      this.#parts.doubt(id, `the engine could not give it to a container: ${cause}`)
    }
  }
}
