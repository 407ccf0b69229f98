import type { Outcome, StepResult } from '../core/job.ts'
import type { Resources } from '../core/run.ts'
import type { Committer } from './committer.ts'
import { attemptKey, behind } from './keys.ts'
import type { Reader } from './reader.ts'
import { sealJson } from './sealed-value.ts'

/** The first step that failed; the rest of an outcome is not known before the last one. */
export type AttemptFailure = Pick<Outcome, 'state' | 'reason' | 'exitCode' | 'message'>

/** How far the steps of an attempt have come; times are boot milliseconds of its host. */
export interface AttemptProgress {
  /** Index of the step that runs, or is about to. */
  readonly step: number
  readonly stepStartedMs: number
  /** Of the attempt. */
  readonly startedMs: number
  /** When the job's time is over. */
  readonly jobEndMs: number
  /** Of the steps before. */
  readonly results: readonly StepResult[]
  /** What the job ends with, where one of them has failed and others run all the same. */
  readonly failure?: AttemptFailure | undefined
  /** What the job holds of this host. */
  readonly resources: Resources
}

/** What an agent must know of an attempt after a crash (lease-protocol 4.4, D5). */
export interface AttemptRecord {
  /** The job's id. */
  readonly register: string
  readonly witnessEpoch: number
  readonly epoch: number
  readonly claimId: string
  /** Name of the container, '' before one is planned. */
  readonly container: string
  readonly phase: 'claimed' | 'starting' | 'running' | 'exited' | 'reported'
  readonly outcome: Outcome | undefined
  readonly userCodeRan: boolean
  /** Absent before the first step. */
  readonly progress?: AttemptProgress | undefined
  /** Why its steps were told to end: what they exit with since is our doing. */
  readonly told?: 'cancelled' | 'drained' | 'not_renewed' | undefined
  /** Wall clock, milliseconds. */
  readonly startedAtMs: number
}

/** All calls reject with STORE_FAILED once a write has failed. */
export interface AttemptStore {
  /** Resolves once the record is synced; a later record of the same register replaces it. */
  put(record: AttemptRecord): Promise<void>
  /** Resolves once the removal is synced. */
  remove(register: string): Promise<void>
  all(): Promise<AttemptRecord[]>
}

export interface AttemptStoreParts {
  readonly reader: Reader
  readonly committer: Committer
}

/** What a removal weighs in the commit queue. */
const REMOVAL_BYTES = 256

export class LevelAttemptStore implements AttemptStore {
  readonly #parts: AttemptStoreParts

  constructor(parts: AttemptStoreParts) {
    this.#parts = parts
  }

  async put(record: AttemptRecord): Promise<void> {
    const key = attemptKey(record.register)
    const value = sealJson(key, record)
    await this.#parts.committer.write({
      bytes: value.length,
      ready: undefined,
      plan: () => [{ type: 'put', key, value }]
    })
  }

  async remove(register: string): Promise<void> {
    const key = attemptKey(register)
    await this.#parts.committer.write({
      bytes: REMOVAL_BYTES,
      ready: undefined,
      plan: () => [{ type: 'del', key }]
    })
  }

  async all(): Promise<AttemptRecord[]> {
    const { reader } = this.#parts
    const records: AttemptRecord[] = []
    for await (const [key, sealed] of reader.rows({ gt: 'l/', lt: behind('l/') })) {
      const kept = reader.unsealJson<AttemptRecord>(key, sealed)
      // JSON drops what is undefined.
      records.push({ ...kept, outcome: kept.outcome })
    }
    return records
  }
}
