import { type BackoffRange, backoffMaxMs } from '../../protocol/core/backoff.ts'
import { causeOf } from '../../protocol/core/errors.ts'
import {
  HOST_REST_MS_MAX,
  HOST_REST_MS_MIN,
  JOB_REST_MS_MAX,
  JOB_REST_MS_MIN,
  JOBS_RESTING_MAX
} from '../../protocol/core/limits.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { Fault } from '../execute/attempt.ts'

export interface RestsParts {
  readonly clock: Clock
  readonly log: Log
  /** Rejects while this host cannot be expected to run anything. */
  check(): Promise<void>
  /** Something has rested enough and may be claimed again. */
  onOver(): void
}

/** What the end of an attempt says about the next ones here. */
export type Lesson =
  /** This host runs jobs. */
  | { readonly kind: 'ran' }
  | { readonly kind: 'failed'; readonly fault: Fault; readonly message: string }
  | { readonly kind: 'nothing' }

export interface Problem {
  readonly code: string
  readonly message: string
  readonly fix: string
}

interface Rest {
  readonly tries: number
  readonly over: boolean
  readonly disarm: () => void
}

const HOST_REST: BackoffRange = { firstMs: HOST_REST_MS_MIN, maxMs: HOST_REST_MS_MAX }
const JOB_REST: BackoffRange = { firstMs: JOB_REST_MS_MIN, maxMs: JOB_REST_MS_MAX }

/**
 * Keeps a host that cannot run jobs from claiming one after the other, and a job that cannot be run
 * here from being claimed again at once. Both rest longer each time; a host is looked at before it
 * claims again.
 */
export class Rests {
  readonly #parts: RestsParts
  readonly #jobs = new Map<string, Rest>()
  #host: (Rest & { readonly cause: string }) | undefined
  #stopped = false

  constructor(parts: RestsParts) {
    this.#parts = parts
  }

  /** True while nothing at all may be claimed. */
  get isHostResting(): boolean {
    return this.#host?.over === false
  }

  isResting(jobId: string): boolean {
    return this.#jobs.get(jobId)?.over === false
  }

  /** For `agent status`, until an attempt has shown that this host runs jobs again. */
  problems(): readonly Problem[] {
    if (this.#host === undefined) return []
    const { cause, over } = this.#host
    const message = `the last attempt here failed by this host, not by its job: ${cause}`
    const next = over ? 'the next claim will show' : 'claims rest and go on by themselves'
    return [{ code: 'HOST_FAULT', message, fix: `look at this host's engine and disk; ${next}` }]
  }

  learn(jobId: string, lesson: Lesson): void {
    switch (lesson.kind) {
      case 'nothing':
        return
      case 'ran':
        this.#jobs.get(jobId)?.disarm()
        this.#jobs.delete(jobId)
        // Not before its time is over: one attempt may end well while the next cannot be started.
        if (!this.isHostResting) this.#host = undefined
        return
      case 'failed':
        this.#restJob(jobId)
        // Those that fail side by side are one and the same fault.
        if (lesson.fault === 'host' && !this.isHostResting) this.#restHost(lesson.message)
        return
      default:
        lesson satisfies never
    }
  }

  stop(): void {
    this.#stopped = true
    this.#host?.disarm()
    for (const { disarm } of this.#jobs.values()) disarm()
  }

  #restJob(jobId: string): void {
    const before = this.#jobs.get(jobId)
    before?.disarm()
    const tries = (before?.tries ?? 0) + 1
    const disarm = this.#arm(backoffMaxMs(tries - 1, JOB_REST), () => {
      this.#jobs.set(jobId, { tries, over: true, disarm })
      this.#parts.onOver()
    })
    this.#jobs.delete(jobId)
    this.#jobs.set(jobId, { tries, over: false, disarm })
    if (this.#jobs.size <= JOBS_RESTING_MAX) return
    const [oldest, rest] = [...this.#jobs][0] ?? []
    rest?.disarm()
    if (oldest !== undefined) this.#jobs.delete(oldest)
  }

  #restHost(cause: string): void {
    const tries = (this.#host?.tries ?? 0) + 1
    const ms = backoffMaxMs(tries - 1, HOST_REST)
    this.#parts.log.warn({ cause, tries, ms }, 'claims rest')
    const disarm = this.#arm(ms, () => void this.#look(tries, cause))
    this.#host = { tries, over: false, cause, disarm }
  }

  async #look(tries: number, cause: string): Promise<void> {
    try {
      await this.#parts.check()
    } catch (error) {
      if (!this.#stopped) this.#restHost(causeOf(error))
      return
    }
    if (this.#stopped) return
    this.#host = { tries, over: true, cause, disarm: () => undefined }
    this.#parts.log.info({ tries }, 'claims go on')
    this.#parts.onOver()
  }

  #arm(ms: number, task: () => void): () => void {
    return this.#parts.clock.arm(ms, () => {
      if (!this.#stopped) task()
    })
  }
}
