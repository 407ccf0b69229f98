import type { Order } from './cancel-judge.ts'
import type { History } from './history.ts'
import type { PlannedJob } from './jobs.ts'
import { bootMs } from './observer.ts'

export interface SeenJob {
  readonly id: string
  readonly state: string
  readonly reason: string | null
  readonly epoch: number
  readonly exitCode: number | null
  /** The order that its register has. */
  readonly cancel: { readonly reason: string; readonly graceMs: number | null } | null
}

export interface LedgerJob extends PlannedJob {
  readonly id: string
  readonly acceptedMs: number
  /** The first end that anybody showed. */
  end: SeenJob | undefined
  endedMs: number | undefined
  /** When that was, on the clock since boot. */
  endShownMs: number | undefined
  /** Somebody has shown a step of it at work. */
  hasRun: boolean
  readonly orders: Order[]
  /** Nobody said for sure what became of its order. */
  gaveUp: boolean
}

/** What was shown of one job's orders, by whomever. */
interface Flag {
  readonly order: string
  /** The lowest under which a daemon showed the order: nobody can claim the job after it. */
  epoch: number
}

const ENDED = new Set(['succeeded', 'failed', 'errored', 'cancelled', 'skipped'])
/** Ends that are ours, not the job's: hosts, engines or the way to Git were lost. */
const OURS = new Set(['agent_lost', 'quarantined', 'sandbox_failed', 'source_unavailable'])

/** Every job that a gateway has answered 202 for, and each end that any daemon showed of it. */
export class Ledger {
  readonly #jobs = new Map<string, LedgerJob>()
  readonly #ends = new Map<string, Map<string, string>>()
  readonly #flags = new Map<string, Flag>()
  /** The highest that anybody showed of a job. */
  readonly #epochs = new Map<string, number>()
  readonly #history: History

  constructor(history: History) {
    this.#history = history
  }

  accept(run: string, jobs: readonly PlannedJob[]): readonly LedgerJob[] {
    return jobs.map((planned, index) => {
      const open = { end: undefined, endedMs: undefined, endShownMs: undefined, hasRun: false }
      const fresh = { acceptedMs: this.#history.nowMs, ...open, orders: [], gaveUp: false }
      const job: LedgerJob = { ...planned, id: `${run}.${index}`, ...fresh }
      this.#jobs.set(job.id, job)
      return job
    })
  }

  get jobs(): readonly LedgerJob[] {
    return [...this.#jobs.values()]
  }

  get open(): readonly LedgerJob[] {
    return this.jobs.filter(({ end }) => end === undefined)
  }

  /** What `viewer` shows now. Two ends that differ are one too many, whoever shows them. */
  see(viewer: string, seen: SeenJob): void {
    const job = this.#jobs.get(seen.id)
    if (job !== undefined && seen.state === 'running') job.hasRun = true
    this.#seeOrder(viewer, seen)
    if (!ENDED.has(seen.state)) return
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
    job.endShownMs = bootMs()
    this.#history.note('ended', { job: job.id, viewer, end })
    const wrong = wrongEnd(job, seen)
    if (wrong !== undefined) this.#history.violation(wrong, { job: job.id, kind: job.kind, end })
  }

  /** The first order counts, everywhere and for ever, and a job that has one is claimed no more. */
  #seeOrder(viewer: string, { id, epoch, cancel }: SeenJob): void {
    const newest = Math.max(epoch, this.#epochs.get(id) ?? 0)
    this.#epochs.set(id, newest)
    let flag = this.#flags.get(id)
    if (cancel !== null) {
      const order = `${cancel.reason}, grace ${cancel.graceMs}`
      flag ??= { order, epoch }
      this.#flags.set(id, flag)
      if (flag.order !== order) {
        this.#history.violation('two orders', { job: id, viewer, first: flag.order, order })
      }
      flag.epoch = Math.min(flag.epoch, epoch)
    }
    if (flag !== undefined && newest > flag.epoch) {
      this.#history.violation('claimed after its order', { job: id, viewer, newest, ...flag })
    }
  }
}

/** What cannot be, given what its script does; undefined where it may end so. */
export function wrongEnd(
  { kind, orders }: PlannedJob & Pick<LedgerJob, 'orders'>,
  end: SeenJob
): string | undefined {
  // Whether an order that was taken allows it is judged once all of them are answered.
  if (end.state === 'cancelled' && orders.length > 0) return undefined
  if (end.state === 'errored') {
    return OURS.has(end.reason ?? '') ? undefined : `errored for ${end.reason}`
  }
  const wanted = kind === 'fails' ? 'failed' : 'succeeded'
  return end.state === wanted ? undefined : `${end.state} where it must be ${wanted}`
}
