import type { BoardJob } from '../../protocol/core/board-job.ts'
import { WATCHES_MAX } from '../../protocol/core/limits.ts'

/**
 * Epochs of others' leases that had run out when there was no room here: a lost job keeps its age,
 * and the next room that comes free is offered to it first.
 */
export class OverLeases {
  readonly #epochs = new Map<string, number>()

  get epochs(): ReadonlyMap<string, number> {
    return this.#epochs
  }

  /** True where the job's lease is one of them. */
  has({ jobId, state }: BoardJob): boolean {
    return this.#epochs.has(jobId) && this.#epochs.get(jobId) === state?.epoch
  }

  /** There is no room for the job now. */
  note({ jobId, state }: BoardJob): void {
    if (state?.phase === 'leased' && this.#epochs.size < WATCHES_MAX) {
      this.#epochs.set(jobId, state.epoch)
    }
  }

  forget(jobId: string): void {
    this.#epochs.delete(jobId)
  }

  /** Keeps those whose lease is the same still. */
  keep(open: readonly BoardJob[]): void {
    if (this.#epochs.size === 0) return
    const epochs = new Map(open.map(({ jobId, state }) => [jobId, state?.epoch]))
    for (const [jobId, epoch] of this.#epochs) {
      if (epochs.get(jobId) !== epoch) this.#epochs.delete(jobId)
    }
  }
}
