import { Board } from '../../protocol/core/board.ts'
import type { BoardJob } from '../../protocol/core/board-job.ts'
import type { OutcomeState } from '../../protocol/core/job.ts'
import type { JobSpec } from '../../protocol/core/run.ts'
import type { Trust } from '../../protocol/core/trust.ts'
import { SampleJob, sampleRun, sampleSpec } from './arbitrary-board.ts'

/** A job's spec with what matters here; its index is its place. */
export type Sketch = Partial<JobSpec> & { readonly name: string }

/** A board that tests fill run by run, each job moved on by real operations. */
export class BoardRuns {
  readonly board = new Board()
  readonly #jobs = new Map<string, SampleJob>()

  run(
    runId: string,
    jobs: readonly Sketch[],
    at: {
      readonly issuedAtMs?: number
      readonly repository?: string
      readonly trust?: Trust
    } = {}
  ): this {
    const { issuedAtMs = 0, repository = 'team/kernel', trust = 'trusted' } = at
    const specs = jobs.map((sketch) => sampleSpec(sketch))
    const sealed = sampleRun({ runId, issuedAtMs, jobs: specs, manifest: { repository, trust } })
    this.board.addRun(sealed, issuedAtMs)
    return this
  }

  claim(jobId: string, wallMs = 0): this {
    const job = this.#job(jobId)
    this.board.foldJob(job.claim('peer-onyx'), wallMs)
    return this
  }

  end(jobId: string, state: OutcomeState, wallMs = 0): this {
    if (this.#job(jobId).state?.phase !== 'leased') this.claim(jobId, wallMs)
    this.board.foldJob(this.#job(jobId).complete(state), wallMs)
    return this
  }

  skip(jobId: string): this {
    const skipped = this.#job(jobId).apply('peer-gateway', { kind: 'skip', reason: 'not wanted' })
    this.board.foldJob(skipped, 0)
    return this
  }

  cancel(jobId: string): this {
    const cancelled = this.#job(jobId).apply('user', { kind: 'cancel', reason: 'no more' })
    this.board.foldJob(cancelled, 0)
    return this
  }

  job(jobId: string): BoardJob {
    const job = this.board.job(jobId)
    if (job === undefined) throw new Error(`${jobId} is not on the board`)
    return job
  }

  #job(jobId: string): SampleJob {
    const retries = this.job(jobId).spec.retries ?? 0
    const job = this.#jobs.get(jobId) ?? new SampleJob(jobId, retries)
    this.#jobs.set(jobId, job)
    return job
  }
}
