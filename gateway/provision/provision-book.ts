import { PROVISION_JOBS_MAX } from '../../protocol/core/provision-limits.ts'
import type { RowTable } from '../../protocol/store/row-table.ts'
import type { RepositoryRef } from '../ports.ts'

/** A job that waits on its forge, or that a hook has named and nobody has looked at yet. */
export interface JobRow {
  readonly kind: 'job'
  /** Name of the repository in gateway.yaml. */
  readonly repository: string
  /** Its URL when this was written: another one under that name has jobs of its own. */
  readonly url: string
  /** The forge's number. */
  readonly job: string
  readonly state: 'named' | 'waiting'
  readonly name: string
  readonly labels: readonly string[]
  /** Wall clock. */
  readonly sinceMs: number
  /** Of the last slot that was started for it; -1 for none. */
  readonly generation: number
}

/** One attempt of a slot whose runner was registered, or was about to be. */
export interface AttemptRow {
  readonly kind: 'attempt'
  readonly repository: string
  /** `runId.0` */
  readonly slot: string
  readonly epoch: number
  /** Wall clock. */
  readonly sinceMs: number
  /** Its forge has said so; before, it may or may not be. */
  readonly isRegistered: boolean
  /** A job was seen on its runner. */
  readonly tookJob: boolean
  /** What its runner is configured with, by GivenSeal; absent before, and once nobody needs it. */
  readonly sealed?: string | undefined
}

type Row = JobRow | AttemptRow

interface Kept<R> {
  readonly number: number
  readonly row: R
}

/**
 * What this gateway remembers of waiting jobs and of runners that it has registered, synced before
 * it acts on it. All calls reject with STORE_FAILED once a write has failed.
 */
export class ProvisionBook {
  readonly #table: RowTable
  readonly #jobs = new Map<string, Kept<JobRow>>()
  /** By slot: the latest attempt. */
  readonly #attempts = new Map<string, Kept<AttemptRow>>()
  #number = 0
  #changes = 0

  constructor(table: RowTable) {
    this.#table = table
  }

  /** Throws STORE_SUSPECT, STORE_FAILED. */
  async load(): Promise<void> {
    for await (const { number, row } of this.#table.load<Row>()) {
      this.#number = Math.max(this.#number, number)
      if (row.kind === 'job') this.#jobs.set(jobKey(row), { number, row })
      else this.#attempts.set(row.slot, { number, row })
    }
  }

  /** How often it was changed, by this process. */
  get changes(): number {
    return this.#changes
  }

  /** Oldest first; nothing of another repository that had this name. */
  jobsOf({ name, url }: RepositoryRef): readonly JobRow[] {
    const rows = [...this.#jobs.values()].map(({ row }) => row)
    return rows.filter((row) => row.repository === name && row.url === url)
  }

  /** Forgets what is of none of these. */
  async prune(repositories: readonly RepositoryRef[]): Promise<void> {
    const kept = new Set(repositories.flatMap((each) => this.jobsOf(each)))
    const rows = [...this.#jobs.values()].map(({ row }) => row)
    await this.drop(rows.filter((row) => !kept.has(row)))
  }

  /** False where as many are remembered as may be. */
  async keep(row: JobRow): Promise<boolean> {
    const key = jobKey(row)
    const known = this.#jobs.get(key)
    if (
      known === undefined &&
      this.jobsOf({ name: row.repository, url: row.url }).length >= PROVISION_JOBS_MAX
    ) {
      return false
    }
    if (known !== undefined && JSON.stringify(known.row) === JSON.stringify(row)) return true
    const number = known?.number ?? this.#next()
    this.#jobs.set(key, { number, row })
    this.#changes += 1
    await this.#table.write([{ number, row }])
    return true
  }

  async drop(rows: readonly JobRow[]): Promise<void> {
    await this.#remove(this.#jobs, rows.map(jobKey))
  }

  attempt(slot: string): AttemptRow | undefined {
    return this.#attempts.get(slot)?.row
  }

  attempts(): readonly AttemptRow[] {
    return [...this.#attempts.values()].map(({ row }) => row)
  }

  /** In place of the attempt before it. */
  async begin(row: AttemptRow): Promise<void> {
    const number = this.#attempts.get(row.slot)?.number ?? this.#next()
    this.#attempts.set(row.slot, { number, row })
    this.#changes += 1
    await this.#table.write([{ number, row }])
  }

  /** Attempts of which it has what their runners are configured with. */
  sealed(): readonly AttemptRow[] {
    return this.attempts().filter(({ sealed }) => sealed !== undefined)
  }

  /** Keeps no more what the runners of these slots were configured with, but that they were. */
  async unseal(slots: readonly string[]): Promise<void> {
    const rows: Kept<AttemptRow>[] = []
    for (const slot of slots) {
      const known = this.#attempts.get(slot)
      if (known?.row.sealed === undefined) continue
      const { sealed: _, ...row } = known.row
      const kept = { number: known.number, row }
      this.#attempts.set(slot, kept)
      rows.push(kept)
    }
    if (rows.length === 0) return
    this.#changes += 1
    await this.#table.write(rows)
  }

  async forget(slots: readonly string[]): Promise<void> {
    await this.#remove(this.#attempts, slots)
  }

  async #remove<R>(map: Map<string, Kept<R>>, keys: readonly string[]): Promise<void> {
    const numbers = keys.flatMap((key) => map.get(key)?.number ?? [])
    for (const key of keys) map.delete(key)
    if (numbers.length === 0) return
    this.#changes += 1
    await this.#table.write([], numbers)
  }

  #next(): number {
    this.#number += 1
    return this.#number
  }
}

/** Neither a repository's name nor a URL holds a space. */
function jobKey({ repository, url, job }: Pick<JobRow, 'repository' | 'url' | 'job'>): string {
  return `${repository} ${url} ${job}`
}
