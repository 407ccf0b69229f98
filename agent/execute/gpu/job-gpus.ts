import { causeOf, codeOf, MeshError } from '../../../protocol/core/errors.ts'
import type { GpuUseSummary } from '../../../protocol/core/gpu-use.ts'
import type { AttemptInput, AttemptResult } from '../attempt.ts'
import type { GpuParts } from './gpu-parts.ts'
import type { GpuEngine, GpuPassage } from './gpu-passage.ts'
import type { PassingJob } from './gpu-passing.ts'
import type { GpuRest, Standings } from './gpu-rest.ts'
import type { GpuTenants } from './gpu-tenants.ts'
import { suspects } from './start-error.ts'

type Leasing = Pick<AttemptInput, 'jobId' | 'gpus' | 'resume'>

export interface JobGpusParts {
  readonly passage: Pick<GpuPassage, 'parts'>
  readonly tenants: Pick<GpuTenants, 'add' | 'remove'>
  readonly rest: Pick<GpuRest, 'before' | 'after'>
  /** What a job took of its GPUs, once it has ended. */
  readonly used: (jobId: string) => GpuUseSummary | undefined
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

  /**
   * `run`s an attempt whose container will have this name, with what it took of its GPUs in its
   * outcome. Resolves once they are free of it, or doubted: until then nobody else gets them.
   */
  async during(
    attempt: Leasing,
    name: string,
    run: () => Promise<AttemptResult>
  ): Promise<AttemptResult> {
    const { jobId, gpus = [], resume } = attempt
    if (gpus.length === 0) return await run()
    const { tenants, rest, used } = this.#parts
    // Of one that runs already nobody knows any more how its GPUs were before.
    const before: Standings = resume === undefined ? await rest.before(gpus) : new Map()
    tenants.add(attempt, name)
    try {
      const result = await run()
      const gpuUse = used(jobId)
      return result.kind === 'outcome' && gpuUse !== undefined
        ? { ...result, outcome: { ...result.outcome, gpuUse } }
        : result
    } finally {
      tenants.remove(jobId)
      for (const { gpu, reason } of await rest.after(gpus, before)) this.#parts.doubt(gpu, reason)
    }
  }

  /** An attempt failed before its steps: the next job must not meet the same GPU in a moment. */
  failed({ gpus = [] }: Leasing, error: unknown): void {
    if (error instanceof MeshError && error.code === 'GPU_TAKEN') {
      const { gpu, container } = error.facts
      this.#parts.doubt(String(gpu), `the container ${container} of this engine has it`)
    }
    if (codeOf(error) !== 'GPU_NOT_PASSED') return
    const cause = causeOf(error instanceof Error ? (error.cause ?? error) : error)
    for (const id of suspects(gpus, cause)) {
      this.#parts.doubt(id, `the engine could not give it to a container: ${cause}`)
    }
  }
}
