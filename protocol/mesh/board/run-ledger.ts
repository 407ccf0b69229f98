import { CHOSEN_RUNS_MAX } from '../../core/limits.ts'
import type { AnnouncementRef } from '../../core/messages.ts'
import { runIdOf, type SealedAnnouncement } from '../../core/run.ts'
import { isSealed } from '../../core/run-reducer.ts'
import type { AnnouncementFetch } from '../announcements/announcement-fetch.ts'
import type { AnnouncementShelf } from '../announcements/announcement-shelf.ts'
import { Lru } from '../bounds/lru.ts'
import { SharedFlights } from '../bounds/shared-flights.ts'
import type { WitnessSets } from '../members/witness-sets.ts'
import type { ChangeRef, RegisterClient } from '../registers/register-client.ts'

export interface RunLedgerParts {
  readonly client: Pick<RegisterClient, 'read'>
  readonly sets: WitnessSets
  readonly shelf: AnnouncementShelf
  readonly fetch: AnnouncementFetch
}

export type RunLookup =
  | { readonly kind: 'chosen'; readonly sealed: SealedAnnouncement }
  /** A quorum says that there is no such run under that witness epoch. */
  | { readonly kind: 'absent' }
  /** A quorum says that the run has ended and is kept no more (4.10). */
  | { readonly kind: 'gone' }
  /** No quorum answers or agrees, or no one hands out the bytes: look again later. */
  | { readonly kind: 'unknown' }

export interface LookupOptions {
  /** Peers that may have the announcement's bytes, besides its witnesses. */
  readonly peers?: readonly string[] | undefined
  /** What is announced, where a hash is known already: lets an unsettled run be settled. */
  readonly annHash?: string | undefined
  readonly settle?: 'write' | 'never' | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Which runs are known to be chosen, and by which announcement (4.12.7). Gossip and SYNC only say
 * where to look: a run counts, and its jobs may be created, once a read showed its register chosen.
 */
export class RunLedger {
  readonly #parts: RunLedgerParts
  /** Run id at witness epoch to the hash that was chosen: never changes, so it never expires. */
  readonly #chosen = new Lru<string, string>(CHOSEN_RUNS_MAX)
  readonly #looks = new SharedFlights<RunLookup>()

  constructor(parts: RunLedgerParts) {
    this.#parts = parts
  }

  /** A run that a change or a read of ours showed as chosen. */
  note(sealed: SealedAnnouncement): void {
    const { runId, witnessEpoch } = sealed.announcement
    this.#chosen.set(nameOf(runId, witnessEpoch), sealed.annHash)
    this.#parts.shelf.put(sealed)
  }

  /** A run that a quorum has dropped. */
  forget(runId: string, witnessEpoch: number): void {
    this.#chosen.delete(nameOf(runId, witnessEpoch))
  }

  /**
   * One look at a time for all who ask the same of a run. Rejects with the signal's reason,
   * STOPPING or STORE_FAILED.
   */
  async find(runId: string, witnessEpoch: number, options: LookupOptions = {}): Promise<RunLookup> {
    const { settle = 'never', annHash = '', signal } = options
    // A look that leaves an unsettled run alone is no answer to who wants it settled.
    const name = `${nameOf(runId, witnessEpoch)} ${settle} ${annHash}`
    return await this.#looks.join(name, signal, (own) => {
      return this.#look(runId, witnessEpoch, { ...options, signal: own })
    })
  }

  /**
   * The run of a job that was found under a later witness epoch than its announcement's: by the
   * run's own register, or, where its witnesses are gone, by the job's. That one was created only
   * after the run was chosen (4.12.7), and moved only as a whole.
   */
  async findMoved(
    jobId: string,
    witnessEpoch: number,
    options: LookupOptions & { readonly annHash: string }
  ): Promise<RunLookup> {
    const { annHash, signal } = options
    const runId = runIdOf(jobId)
    const sealed = await this.#bytes(runId, witnessEpoch, annHash, options)
    if (sealed === undefined) return { kind: 'unknown' }
    const { announcement } = sealed
    if (announcement.runId !== runId || announcement.witnessEpoch >= witnessEpoch) {
      return { kind: 'absent' }
    }
    const found = await this.find(runId, announcement.witnessEpoch, options)
    if (found.kind !== 'unknown') return found
    const ref = { register: jobId, witnessEpoch, ann: annOf(sealed) }
    const read = await this.#parts.client.read(ref, { settle: 'never', signal })
    const isThere = read.kind === 'chosen' && read.value?.annHash === annHash
    return isThere ? { kind: 'chosen', sealed } : { kind: 'unknown' }
  }

  async #look(runId: string, witnessEpoch: number, options: LookupOptions): Promise<RunLookup> {
    const known = this.#chosen.get(nameOf(runId, witnessEpoch))
    const annHash = known ?? (await this.#read(runId, witnessEpoch, options))
    if (annHash === undefined) return { kind: 'absent' }
    if (annHash === 'unknown' || annHash === 'gone') return { kind: annHash }
    this.#chosen.set(nameOf(runId, witnessEpoch), annHash)
    const sealed = await this.#bytes(runId, witnessEpoch, annHash, options)
    // Another run's announcement under this run's hash cannot be, short of a broken witness.
    if (sealed === undefined || sealed.announcement.runId !== runId) return { kind: 'unknown' }
    return { kind: 'chosen', sealed }
  }

  async #read(
    runId: string,
    witnessEpoch: number,
    options: LookupOptions
  ): Promise<string | 'unknown' | 'gone' | undefined> {
    const { annHash, settle = 'never', signal } = options
    const held = annHash === undefined ? undefined : await this.#held(runId, witnessEpoch, options)
    const ann = held === undefined ? undefined : annOf(held)
    const ref = { register: runId, witnessEpoch, ann }
    const read = await this.#parts.client.read(ref, { settle, signal })
    if (read.kind !== 'chosen') return read.kind === 'gone' ? 'gone' : 'unknown'
    // Sealed is as good as absent: the run, if there is one, began in a later epoch.
    return read.value === undefined || isSealed(read.value) ? undefined : read.value.annHash
  }

  // Settling writes, and every write names its announcement: only then are the bytes fetched first.
  async #held(
    runId: string,
    witnessEpoch: number,
    options: LookupOptions
  ): Promise<SealedAnnouncement | undefined> {
    const { annHash = '', settle } = options
    if (settle !== 'write') return await this.#parts.shelf.find(annHash)
    return await this.#bytes(runId, witnessEpoch, annHash, options)
  }

  async #bytes(
    runId: string,
    witnessEpoch: number,
    annHash: string,
    { peers = [], signal }: LookupOptions
  ): Promise<SealedAnnouncement | undefined> {
    const set = this.#parts.sets.of(runId, witnessEpoch)
    if (set === undefined) return await this.#parts.shelf.find(annHash)
    const witnesses = set.witnesses.map(({ peerId }) => peerId)
    const timeoutMs = set.profile.requestTimeoutMs
    return await this.#parts.fetch.get(annHash, [...witnesses, ...peers], { timeoutMs, signal })
  }
}

/** How a register of this announcement is named in requests. */
export function annOf({ annHash, announcement }: SealedAnnouncement): AnnouncementRef {
  return { gateway: announcement.gateway, gwSeq: announcement.gwSeq, annHash }
}

export function refOf(sealed: SealedAnnouncement, register: string): ChangeRef {
  return { register, witnessEpoch: sealed.announcement.witnessEpoch, ann: annOf(sealed) }
}

function nameOf(runId: string, witnessEpoch: number): string {
  return `${runId}@${witnessEpoch}`
}
