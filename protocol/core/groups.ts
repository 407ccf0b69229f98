import type { BoardJob } from './board-job.ts'
import { GROUPS_REMEMBERED_MAX } from './graph-limits.ts'

/**
 * Undefined where it is in no group; no two repositories have one together. A stranger's pull
 * request must not keep the deployment of `main` waiting, or cancel it: it has groups of its own.
 */
export function groupOf({
  spec,
  origin,
  trust
}: Pick<BoardJob, 'spec' | 'origin' | 'trust'>): string | undefined {
  const { concurrency } = spec
  if (concurrency === undefined) return undefined
  // All are of one line.
  return `${trust}\n${origin.repository}\n${concurrency.group}`
}

/** When a job of each group was last seen to run, by the wall clock of this member. */
export class Groups {
  /** In the order in which they ran. */
  readonly #ranMs = new Map<string, number>()

  /** Of a job that has a lease, or has just had one. */
  ran(job: BoardJob, wallMs: number): void {
    const group = groupOf(job)
    if (group === undefined) return
    this.#ranMs.delete(group)
    this.#ranMs.set(group, wallMs)
    if (this.#ranMs.size <= GROUPS_REMEMBERED_MAX) return
    for (const oldest of this.#ranMs.keys()) {
      this.#ranMs.delete(oldest)
      return
    }
  }

  /** Undefined where none of it ran, as far as is remembered. */
  ranMs(group: string): number | undefined {
    return this.#ranMs.get(group)
  }
}
