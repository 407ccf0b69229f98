import {
  HISTORY_REST_FACTOR,
  HISTORY_REST_MS_MAX,
  HISTORY_RUNS_MAX
} from '../core/history-limits.ts'
import type { Clock } from '../core/ports.ts'
import type { PastRun } from './first-look.ts'
import { pause } from './pause.ts'
import { stopController } from './stop-controller.ts'

/** `again`: it could not be read, nor handed on. Never rejects. */
export type ReadPast = (run: PastRun, signal: AbortSignal) => Promise<'done' | 'again'>

/**
 * Past runs, the latest first, one at a time and with a rest after each: a member that starts costs
 * the witnesses little beside the work that goes on, however much they remember.
 */
export class HistoryQueue {
  readonly #clock: Clock
  readonly #read: ReadPast
  readonly #waiting = new Map<string, PastRun>()
  /** Run ids in the order in which they came; those taken out meanwhile are passed over. */
  #order: string[] = []
  #running: Promise<void> | undefined
  readonly #stop = stopController()

  constructor(clock: Clock, read: ReadPast) {
    this.#clock = clock
    this.#read = read
  }

  get busy(): boolean {
    return this.#running !== undefined
  }

  /** False where there is no room for another. */
  add(run: PastRun): boolean {
    const known = this.#waiting.get(run.runId)
    if (known === undefined) {
      if (this.#order.length >= HISTORY_RUNS_MAX) return false
      this.#order.push(run.runId)
    }
    this.#waiting.set(run.runId, known === undefined ? run : merged(known, run))
    if (!this.#stop.signal.aborted) this.#running ??= this.#run()
    return true
  }

  /** Takes a run out, for somebody who needs it now. */
  take(runId: string): PastRun | undefined {
    const run = this.#waiting.get(runId)
    this.#waiting.delete(runId)
    return run
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    this.#waiting.clear()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    // All of one look come first: the latest of them is at its end.
    await pause(this.#clock, 0, signal)
    for (let next = this.#latest(); next !== undefined && !signal.aborted; next = this.#latest()) {
      const startedMs = this.#clock.monotonicMs()
      const verdict = await this.#read(next, signal)
      const restMs = (this.#clock.monotonicMs() - startedMs) * HISTORY_REST_FACTOR
      if (verdict === 'again') this.#later(next)
      const mostMs = HISTORY_REST_MS_MAX
      await pause(this.#clock, verdict === 'again' ? mostMs : Math.min(mostMs, restMs), signal)
    }
    this.#running = undefined
  }

  #latest(): PastRun | undefined {
    for (let runId = this.#order.pop(); runId !== undefined; runId = this.#order.pop()) {
      const run = this.#waiting.get(runId)
      this.#waiting.delete(runId)
      if (run !== undefined) return run
    }
    return
  }

  /** Behind all others. */
  #later(run: PastRun): void {
    const known = this.#waiting.get(run.runId)
    if (known === undefined) this.#order.unshift(run.runId)
    this.#waiting.set(run.runId, known === undefined ? run : merged(known, run))
  }
}

/** Two looks at the same run: a job is read where it was last. */
function merged(known: PastRun, told: PastRun): PastRun {
  const ended = new Map(known.ended)
  for (const [jobId, lead] of told.ended) {
    const before = ended.get(jobId)
    if (before === undefined || lead.witnessEpoch > before.witnessEpoch) ended.set(jobId, lead)
  }
  return { runId: known.runId, lead: known.lead, ended }
}
