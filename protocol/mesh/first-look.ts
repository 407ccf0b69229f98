import { FIRST_LOOK_RUNS_MAX } from '../core/history-limits.ts'
import { isTerminal } from '../core/job.ts'
import type { SyncItem } from '../core/messages.ts'
import { runIdOf } from '../core/run.ts'
import type { Lead } from './lead-queue.ts'

/** A run of which a store shows ended jobs: history, as far as that store knows. */
export interface PastRun {
  readonly runId: string
  /** To the run's register, or to one of its jobs where this store has only that. */
  readonly lead: Lead
  /** Leads to the jobs that have ended, by their ids. */
  readonly ended: ReadonlyMap<string, Lead>
}

interface Seen {
  readonly runId: string
  run: Lead | undefined
  readonly ended: Map<string, Lead>
}

/**
 * What a store shows to somebody who sees it for the first time: mostly runs that ended long ago.
 * Without this a member that starts would take every job of them for queued until it has read it,
 * all at once, and so would read, and try to claim and to move, the whole past before it works.
 */
export class FirstLook {
  readonly #runs = new Map<string, Seen>()

  /** Gives back what is to be followed at once: work, and what there is no room for here. */
  take(item: SyncItem, lead: Lead): Lead | undefined {
    const { phase } = item
    const isPast = phase === 'moved' || (phase !== 'run' && phase !== 'superseded' && over(phase))
    if (phase !== 'run' && !isPast) return phase === 'superseded' ? undefined : lead
    const seen = this.#seen(runIdOf(item.register))
    if (seen === undefined) return lead
    if (phase === 'run') seen.run = newest(seen.run, lead)
    else seen.ended.set(lead.register, newest(seen.ended.get(lead.register), lead))
    return
  }

  /** Runs without an ended job, to be followed now, and the others, in the order of their ends. */
  finish(): { readonly open: readonly Lead[]; readonly past: readonly PastRun[] } {
    const open: Lead[] = []
    const past: PastRun[] = []
    for (const { runId, run, ended } of this.#runs.values()) {
      const lead = run ?? [...ended.values()][0]
      if (lead === undefined) continue
      if (ended.size === 0) open.push(lead)
      else past.push({ runId, lead, ended })
    }
    this.#runs.clear()
    return { open, past }
  }

  #seen(runId: string): Seen | undefined {
    const known = this.#runs.get(runId)
    if (known === undefined && this.#runs.size >= FIRST_LOOK_RUNS_MAX) return
    const seen = known ?? { runId, run: undefined, ended: new Map() }
    // Again at the end: the store's order is that of the latest change.
    this.#runs.delete(runId)
    this.#runs.set(runId, seen)
    return seen
  }
}

function over(phase: Exclude<SyncItem['phase'], 'run' | 'superseded'>): boolean {
  return isTerminal(phase)
}

function newest(before: Lead | undefined, lead: Lead): Lead {
  return before === undefined || lead.witnessEpoch >= before.witnessEpoch ? lead : before
}
