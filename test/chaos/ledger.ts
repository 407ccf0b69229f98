import type { History } from './history.ts'

/** What a job's script does: all of them end by themselves. */
export type JobKind = 'ok' | 'fails' | 'once'

export interface PlannedJob {
  readonly kind: JobKind
  readonly seconds: number
}

export interface SeenJob {
  readonly id: string
  readonly state: string
  readonly reason: string | null
  readonly epoch: number
  readonly exitCode: number | null
}

export interface LedgerJob extends PlannedJob {
  readonly id: string
  readonly acceptedMs: number
  /** The first end that anybody showed. */
  end: SeenJob | undefined
  endedMs: number | undefined
}

const ENDED = new Set(['succeeded', 'failed', 'errored', 'cancelled', 'skipped'])
/** Ends that are ours, not the job's: hosts, engines or the way to Git were lost. */
const OURS = new Set(['agent_lost', 'quarantined', 'sandbox_failed', 'source_unavailable'])

/** Every job that a gateway has answered 202 for, and each end that any daemon showed of it. */
export class Ledger {
  readonly #jobs = new Map<string, LedgerJob>()
  readonly #ends = new Map<string, Map<string, string>>()
  readonly #history: History

  constructor(history: History) {
    this.#history = history
  }

  accept(run: string, jobs: readonly PlannedJob[]): void {
    for (const [index, job] of jobs.entries()) {
      const id = `${run}.${index}`
      const acceptedMs = this.#history.nowMs
      this.#jobs.set(id, { ...job, id, acceptedMs, end: undefined, endedMs: undefined })
    }
  }

  get jobs(): readonly LedgerJob[] {
    return [...this.#jobs.values()]
  }

  get open(): readonly LedgerJob[] {
    return this.jobs.filter(({ end }) => end === undefined)
  }

  /** What `viewer` shows now. Two ends that differ are one too many, whoever shows them. */
  see(viewer: string, seen: SeenJob): void {
    if (!ENDED.has(seen.state)) return
    const job = this.#jobs.get(seen.id)
    const end = `${seen.state} ${seen.reason} epoch ${seen.epoch} exit ${seen.exitCode}`
    const ends = this.#ends.get(seen.id) ?? new Map<string, string>()
    this.#ends.set(seen.id, ends)
    if (!ends.has(end)) {
      ends.set(end, viewer)
      if (ends.size > 1) {
        this.#history.violation('two ends', { job: seen.id, ends: Object.fromEntries(ends) })
      }
    }
    if (job === undefined || job.end !== undefined) return
    job.end = { ...seen }
    job.endedMs = this.#history.nowMs
    this.#history.note('ended', { job: job.id, viewer, end })
    const wrong = wrongEnd(job, seen)
    if (wrong !== undefined) this.#history.violation(wrong, { job: job.id, kind: job.kind, end })
  }
}

/** What cannot be, given what its script does; undefined where it may end so. */
export function wrongEnd({ kind }: PlannedJob, end: SeenJob): string | undefined {
  if (end.state === 'errored') {
    return OURS.has(end.reason ?? '') ? undefined : `errored for ${end.reason}`
  }
  const wanted = kind === 'fails' ? 'failed' : 'succeeded'
  return end.state === wanted ? undefined : `${end.state} where it must be ${wanted}`
}
