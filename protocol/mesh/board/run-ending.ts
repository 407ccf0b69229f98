import type { Board } from '../../core/board.ts'
import { isTerminal } from '../../core/job.ts'
import { MOVE_HOPS_MAX } from '../../core/roster-limits.ts'
import { jobIdOf } from '../../core/run.ts'
import type { RegisterClient } from '../registers/register-client.ts'
import { type RunLedger, refOf } from './run-ledger.ts'

export interface RunEndingParts {
  readonly board: Pick<Board, 'run' | 'jobsOf'>
  readonly client: Pick<RegisterClient, 'read'>
  readonly ledger: Pick<RunLedger, 'find'>
}

/** What a gateway has announced: the run and the epoch of its register. */
export interface AnnouncedRun {
  readonly runId: string
  readonly witnessEpoch: number
}

/** Whether a run is closed for good: what a gateway's floor is made of (lease-protocol 4.12.5). */
export class RunEnding {
  readonly #parts: RunEndingParts

  constructor(parts: RunEndingParts) {
    this.#parts = parts
  }

  /** True where our board has it with all jobs ended; undefined where it is not on the board. */
  shown(runId: string): boolean | undefined {
    const { board } = this.#parts
    if (board.run(runId) === undefined) return undefined
    return board.jobsOf(runId).every(({ state }) => state !== undefined && isTerminal(state.phase))
  }

  /**
   * True only where quorums say so: of all its jobs, wherever they have moved; or that the run is
   * dropped, or was sealed before it began. What nobody answers, and what was never created, may
   * still begin. Rejects with the signal's reason, STOPPING or STORE_FAILED.
   */
  async isClosed({ runId, witnessEpoch }: AnnouncedRun, signal?: AbortSignal): Promise<boolean> {
    const { client, ledger } = this.#parts
    const ref = { register: runId, witnessEpoch, ann: undefined }
    const read = await client.read(ref, { settle: 'never', signal })
    if (read.kind === 'gone') return true
    if (read.kind !== 'chosen' || read.value?.kind !== 'run') return false
    if (read.value.phase === 'superseded') return true
    const found = await ledger.find(runId, witnessEpoch, { signal })
    if (found.kind !== 'chosen') return found.kind === 'gone'
    for (const { index } of found.sealed.announcement.manifest.jobs) {
      const ref = refOf(found.sealed, jobIdOf(runId, index))
      if (!(await this.#hasEnded(ref, signal))) return false
    }
    return true
  }

  async #hasEnded(first: ReturnType<typeof refOf>, signal?: AbortSignal): Promise<boolean> {
    let ref = first
    for (let moves = 0; moves <= MOVE_HOPS_MAX; moves += 1) {
      const read = await this.#parts.client.read(ref, { settle: 'never', signal })
      if (read.kind === 'gone') return true
      if (read.kind !== 'chosen' || read.value?.kind !== 'job') return false
      const { phase, moved } = read.value
      if (phase !== 'moved' || moved === undefined) return isTerminal(phase)
      ref = { ...ref, witnessEpoch: moved.witnessEpoch }
    }
    return false
  }
}
