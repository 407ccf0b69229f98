import { codeOf } from '../../protocol/core/errors.ts'
import type { JobState } from '../../protocol/core/job.ts'
import { LOG_HOLDERS_MAX } from '../../protocol/core/limits.ts'
import { runIdOf } from '../../protocol/core/run.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { Member } from '../../protocol/mesh/member.ts'

export type Standing =
  /** The register says that this peer has, or had, exactly this lease, and no later one exists. */
  | 'holder'
  | 'stale_epoch'
  | 'not_allowed'
  /** Nothing is known yet, or no quorum answers: to be asked again. */
  | 'unknown'

export interface HolderParts {
  /** What this member's board knows of the job; undefined for an unknown run. */
  known(job: string): JobState | undefined
  /** The chosen state, from a quorum; undefined where none answers or nothing is chosen. */
  read(job: string): Promise<JobState | undefined>
}

/**
 * Who may write a job's log under an epoch. The board is asked first; a higher epoch than it knows
 * is looked up in the register, since gossip may be slower than the holder.
 */
export class Holders {
  readonly #parts: HolderParts
  /** `job` to the lease proven last, oldest first. */
  readonly #proven = new Map<string, { readonly epoch: number; readonly holder: string }>()

  constructor(parts: HolderParts) {
    this.#parts = parts
  }

  async standing(job: string, epoch: number, peer: string): Promise<Standing> {
    const known = this.#parts.known(job)
    const proven = this.#proven.get(job)
    if (Math.max(known?.epoch ?? 0, proven?.epoch ?? 0) > epoch) return 'stale_epoch'
    if (proven?.epoch === epoch) return proven.holder === peer ? 'holder' : 'not_allowed'
    if (known?.epoch === epoch) return this.#judge(job, known, epoch, peer)
    const chosen = await this.#parts.read(job)
    if (chosen === undefined || chosen.epoch < epoch) return 'unknown'
    if (chosen.epoch > epoch) return 'stale_epoch'
    return this.#judge(job, chosen, epoch, peer)
  }

  /** The run begins anew: the leases of its jobs count from one again. */
  forget(runId: string): void {
    for (const job of this.#proven.keys()) if (runIdOf(job) === runId) this.#proven.delete(job)
  }

  #judge(job: string, state: JobState, epoch: number, peer: string): Standing {
    const holder = holderUnder(state, epoch)
    if (holder === undefined) return 'unknown'
    this.#remember(job, { epoch, holder })
    return holder === peer ? 'holder' : 'not_allowed'
  }

  #remember(job: string, lease: { readonly epoch: number; readonly holder: string }): void {
    // Deleting first keeps the map in order of the last proof.
    this.#proven.delete(job)
    this.#proven.set(job, lease)
    if (this.#proven.size <= LOG_HOLDERS_MAX) return
    for (const oldest of this.#proven.keys()) {
      this.#proven.delete(oldest)
      return
    }
  }
}

/** By what this member knows, and else what a quorum says. */
export function holdersOf(member: Pick<Member, 'board' | 'readJob'>, log: Log): Holders {
  return new Holders({
    known: (job) => member.board.job(job)?.state,
    read: async (job) => {
      try {
        const read = await member.readJob(job)
        return read.kind === 'chosen' ? read.state : undefined
      } catch (error) {
        log.debug({ job, code: codeOf(error) }, 'job not read')
        return undefined
      }
    }
  })
}

/** The last lines of a log come after its lease has ended: the history still names the holder. */
function holderUnder(state: JobState, epoch: number): string | undefined {
  if (state.lease !== undefined && state.epoch === epoch) return state.lease.holder
  return state.history.find((entry) => entry.epoch === epoch)?.holder
}
