import { ANNOUNCEMENT_TERMS_MAX, ATTEMPTS_MAX } from '../../core/limits.ts'
import type { AnnouncementRef, RegisterValue } from '../../core/messages.ts'
import type { Roster } from '../../core/roster.ts'
import { type JobSpec, jobIndexOf, runIdOf, type SealedAnnouncement } from '../../core/run.ts'
import { Lru } from '../bounds/lru.ts'
import { rolesOf } from '../members/permissions.ts'

/** What the first value of a run, or of one of its jobs, must match. */
interface Terms {
  readonly runId: string
  readonly witnessEpoch: number
  readonly gateway: string
  readonly gwSeq: number
  /** By job index. */
  readonly jobs: readonly CreateTerms[]
}

/** What a job's create says of its spec. */
export interface CreateTerms {
  readonly attemptsMax: number
  /** Absent is none. */
  readonly retriesMax?: number
}

/**
 * How many attempts a job gets: one that is not to be repeated gets one, not none (4.12.15); those
 * besides are for when its own commands fail.
 */
export function createTermsOf({
  onLoss,
  retries = 0
}: Pick<JobSpec, 'onLoss' | 'retries'>): CreateTerms {
  const attemptsMax = onLoss === 'error' ? 1 : ATTEMPTS_MAX
  return { attemptsMax, ...(retries === 0 ? {} : { retriesMax: retries }) }
}

/** The terms of announcements seen before: a few numbers each instead of a parsed manifest. */
export class AnnouncementTerms {
  readonly #known = new Lru<string, Terms>(ANNOUNCEMENT_TERMS_MAX)

  has(annHash: string): boolean {
    return this.#known.has(annHash)
  }

  learn({ annHash, announcement }: SealedAnnouncement): void {
    // What is at hand comes at no cost to its sender: its jobs must not be gone through each time.
    if (this.#known.get(annHash) !== undefined) return
    const { runId, witnessEpoch, gateway, gwSeq, manifest } = announcement
    const jobs = manifest.jobs.map(createTermsOf)
    this.#known.set(annHash, { runId, witnessEpoch, gateway, gwSeq, jobs })
  }

  /** How requests name that announcement; undefined where it is not known. */
  refOf(annHash: string): AnnouncementRef | undefined {
    const terms = this.#known.get(annHash)
    return terms === undefined ? undefined : { gateway: terms.gateway, gwSeq: terms.gwSeq, annHash }
  }

  /** The witness epoch that it was announced in; undefined for one that is not known here. */
  epochOf(annHash: string): number | undefined {
    return this.#known.get(annHash)?.witnessEpoch
  }

  /**
   * What keeps `value` from being of its announcement; undefined when it fits. A job may have moved
   * to a later epoch, by a move that the caller has to prove; it never begins there.
   */
  problem(value: RegisterValue, roster: Roster): string | undefined {
    const terms = this.#known.get(value.annHash)
    if (terms === undefined) return 'its announcement is not known here'
    if (terms.runId !== runIdOf(value.register)) return 'its announcement is of another run'
    // The set of witnesses follows from the epoch: with two epochs a run would have two registers.
    const hasMoved = terms.witnessEpoch < roster.witnessEpoch && mayHaveMoved(value)
    if (!hasMoved) {
      if (terms.witnessEpoch !== roster.witnessEpoch) return 'announced for another witness epoch'
      if (!rolesOf(roster, terms.gateway).includes('gateway')) return 'not announced by a gateway'
    }
    if (value.kind === 'run') return undefined
    const job = terms.jobs[jobIndexOf(value.register) ?? -1]
    if (job === undefined) return 'its announcement has no such job'
    // A member could else give a job with side effects another attempt.
    if (job.attemptsMax !== value.attemptsMax) return 'attempts differ from the manifest'
    const isSame = (job.retriesMax ?? 0) === (value.retriesMax ?? 0)
    return isSame ? undefined : 'retries differ from the manifest'
  }
}

function mayHaveMoved(value: RegisterValue): boolean {
  return value.kind === 'job' && value.op.body.kind !== 'create'
}
