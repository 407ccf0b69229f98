import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { causeOf, MeshError } from '../core/errors.ts'
import { LOGS_OPEN_MAX } from '../core/limits.ts'
import type { LogLine } from '../core/log-line.ts'
import { JobLog, type LogAppend, type Logged, type LogRead } from './job-log.ts'

export interface LogStoreOptions {
  /** True: lines are synced before they are acknowledged. */
  readonly durable: boolean
  /** Jobs whose log is open at one time, LOGS_OPEN_MAX unless a test says otherwise. */
  readonly openMax?: number | undefined
}

interface Slot {
  readonly log: Promise<JobLog>
  /** Settles when the calls so far are through. */
  tail: Promise<unknown>
  users: number
}

// Ids come from peers: without dots and slashes none of them can leave the folder.
const RUN_ID = /^[0-9A-Za-z]{1,64}$/
const JOB_ID = /^([0-9A-Za-z]{1,64})\.(0|[1-9]\d{0,4})$/

/**
 * Job logs as plain files `DIR/<runId>/<index>.<epoch>.ndjson`, one LogLine a line; one that is
 * delivered has an empty `.delivered` beside it. Rejects with LOG_UNAVAILABLE where the disk fails,
 * OVERLOADED with LOGS_OPEN_MAX jobs at one time; a job or epoch that can be none is refused as
 * `unknown_job`, or `absent`.
 */
export class LogStore {
  readonly #dir: string
  readonly #durable: boolean
  readonly #openMax: number
  /** By job, least recently used first. */
  readonly #slots = new Map<string, Slot>()
  /** By job, who wants to know when lines are kept or the log ends. */
  readonly #watchers = new Map<string, Set<() => void>>()

  constructor(dir: string, options: LogStoreOptions = { durable: false }) {
    this.#dir = dir
    this.#durable = options.durable
    this.#openMax = options.openMax ?? LOGS_OPEN_MAX
  }

  /**
   * Keeps `lines`, numbered from `firstLine`; those kept before are skipped, so a repeat is
   * harmless. A higher epoch starts anew and refuses the lower ones from then on. `full` keeps what
   * fits LOG_BYTES_MAX, `not_allowed` is for lines behind the end.
   */
  async append(
    job: string,
    epoch: number,
    firstLine: number,
    lines: readonly LogLine[]
  ): Promise<LogAppend> {
    if (!isJob(job, epoch)) return unknownJob()
    return await this.#logged(job, (log) => log.append(epoch, firstLine, lines))
  }

  /** No line follows; says so again when asked again. */
  async finish(job: string, epoch: number): Promise<LogAppend> {
    if (!isJob(job, epoch)) return unknownJob()
    return await this.#logged(job, (log) => log.finish(epoch))
  }

  /** Marks a log that whoever wanted it has: it may go before those that nobody else has. */
  async delivered(job: string, epoch: number): Promise<void> {
    if (isJob(job, epoch)) await this.#use(job, (log) => log.delivered(epoch))
  }

  /** `epoch` undefined: the highest kept. At most `limit` lines and LOG_PAGE_BYTES_MAX bytes. */
  async read(
    job: string,
    epoch: number | undefined,
    fromLine: number,
    limit: number
  ): Promise<LogRead> {
    if (!isJob(job, epoch ?? 1)) return { kind: 'absent' }
    return await this.#use(job, (log) => log.read(epoch, fromLine, limit))
  }

  /** Calls `listener` whenever lines of the job were kept, or its log was finished. */
  watch(job: string, listener: () => void): () => void {
    const watchers = this.#watchers.get(job) ?? new Set()
    this.#watchers.set(job, watchers.add(listener))
    return () => {
      watchers.delete(listener)
      if (watchers.size === 0 && this.#watchers.get(job) === watchers) this.#watchers.delete(job)
    }
  }

  /**
   * Before the first line of a new attempt: a log of its epoch, or of a later one, that is there
   * already is of a run that was given up, and would be taken for its own.
   */
  async restart(job: string, epoch: number): Promise<void> {
    if (isJob(job, epoch)) await this.#use(job, (log) => log.restart(epoch))
  }

  /** Forgets all logs of a run that nobody logs to any more. */
  async remove(runId: string): Promise<void> {
    if (!RUN_ID.test(runId)) return
    const jobs = [...this.#slots.keys()].filter((job) => job.startsWith(`${runId}.`))
    await Promise.all(jobs.map((job) => this.#use(job, (log) => log.forget())))
    await rm(join(this.#dir, runId), { recursive: true, force: true })
  }

  /** Ends what is under way and closes all files; a later call opens them again. */
  async close(): Promise<void> {
    const jobs = [...this.#slots.keys()]
    // In its turn, so that no call that came before finds its file closed.
    await Promise.all(jobs.map((job) => this.#use(job, (log) => log.close())))
  }

  async #logged(job: string, call: (log: JobLog) => Promise<Logged>): Promise<LogAppend> {
    const { answer, synced } = await this.#use(job, call)
    try {
      await synced
    } catch (error) {
      throw unavailable(job, error)
    }
    for (const listener of this.#watchers.get(job) ?? []) listener()
    return answer
  }

  /** Calls of one job run one after the other. */
  async #use<Result>(job: string, call: (log: JobLog) => Promise<Result>): Promise<Result> {
    const slot = this.#slot(job)
    slot.users += 1
    const result = slot.tail.then(() => this.#call(job, slot, call))
    slot.tail = result.catch(() => undefined)
    try {
      return await result
    } catch (error) {
      throw unavailable(job, error)
    } finally {
      slot.users -= 1
    }
  }

  async #call<Result>(
    job: string,
    slot: Slot,
    call: (log: JobLog) => Promise<Result>
  ): Promise<Result> {
    let log: JobLog
    try {
      log = await slot.log
    } catch (error) {
      if (this.#slots.get(job) === slot) this.#slots.delete(job)
      throw error
    }
    try {
      return await call(log)
    } catch (error) {
      // What is in memory of this log may differ from the disk: the next call reads it again.
      await log.close()
      throw error
    }
  }

  #slot(job: string): Slot {
    const known = this.#slots.get(job)
    if (known === undefined) this.#makeRoom()
    const [, runId = '', index = ''] = JOB_ID.exec(job) ?? []
    const slot = known ?? {
      log: JobLog.open({ dir: this.#dir, runId, index }, this.#durable),
      tail: Promise.resolve(),
      users: 0
    }
    // Last in the map is used last.
    this.#slots.delete(job)
    this.#slots.set(job, slot)
    return slot
  }

  #makeRoom(): void {
    if (this.#slots.size < this.#openMax) return
    for (const [job, { users, log }] of this.#slots) {
      if (users > 0) continue
      // Nobody writes to it, so a new slot of the same job may open the file beside it.
      this.#slots.delete(job)
      log.then((evicted) => evicted.close()).catch(() => undefined)
      return
    }
    throw new MeshError('OVERLOADED', { what: 'the log store', max: this.#openMax })
  }
}

function isJob(job: string, epoch: number): boolean {
  return JOB_ID.test(job) && Number.isSafeInteger(epoch) && epoch > 0
}

function unknownJob(): LogAppend {
  return { kind: 'refused', code: 'unknown_job', nextLine: 0 }
}

function unavailable(job: string, error: unknown): MeshError {
  if (error instanceof MeshError) return error
  return new MeshError('LOG_UNAVAILABLE', { job, cause: causeOf(error) }, { cause: error })
}
