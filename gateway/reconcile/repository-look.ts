import { createHash } from 'node:crypto'
import { causeOf, codeOf, MeshError } from '../../protocol/core/errors.ts'
import {
  RECONCILE_ASKED_MAX,
  RECONCILE_DELIVERIES_MS_MAX,
  RECONCILE_EVENTS_MAX,
  RECONCILE_HEADS_MAX,
  RECONCILE_OVERLAP_MS
} from '../../protocol/core/forge-limits.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import type { GitAccess } from '../../protocol/host/git.ts'
import type { Log } from '../../protocol/host/log.ts'
import { Lru } from '../../protocol/mesh/bounds/lru.ts'
import type { FailedDelivery, ForgeApi, Heads } from '../forge/forge-api.ts'
import { limitedMsOf, refusedStatusOf } from '../forge/forge-refusal.ts'
import type { RepositoryRef } from '../ports.ts'
import type { Repository } from '../repositories.ts'
import type { Arrival, Reception } from '../source-door.ts'
import type { SourceEvent } from '../source-event.ts'
import { isSameRepository } from '../source-event.ts'
import { type Changed, changedIn, type HeadsRow, seenBut } from './heads-row.ts'
import { remoteHeads } from './remote-heads.ts'

const NO_COMMIT = '0'.repeat(40)

export interface RepositoryLookParts {
  readonly apis: { of(repository: Repository): ForgeApi | undefined }
  readonly access: (
    repository: RepositoryRef,
    signal: AbortSignal
  ) => Promise<GitAccess | undefined>
  /** The same door as hooks have: what came by one of them already is a duplicate here. */
  readonly door: { admit(arrival: Arrival): Promise<Reception> }
  readonly clock: Clock
  readonly log: Log
}

export interface Looked {
  readonly row: HeadsRow
  /** True where something was seen that its hook may be about to bring: look again soon. */
  readonly isUnsettled: boolean
}

/** A branch or tag is elsewhere; a pull request has another head. */
type Kind = 'moved' | 'pulled'

/** Changes that a look before this one has seen; by repository, of this process alone. */
type Suspects = Map<string, Set<string>>

/**
 * One look at one repository: what its forge could not deliver is asked for again, and what its
 * refs and pull requests show that no hook has brought goes through the door.
 */
export class RepositoryLook {
  readonly #parts: RepositoryLookParts
  readonly #suspects: Suspects = new Map()
  /** Deliveries that were asked for again. */
  readonly #asked = new Lru<string, true>(RECONCILE_ASKED_MAX)
  /** Wall clock before which nothing is left to be asked for again; by repository. */
  readonly #settledMs = new Map<string, number>()
  /** Where deliveries may not be asked for; until the next start or reload. */
  readonly #silent = new Set<string>()

  constructor(parts: RepositoryLookParts) {
    this.#parts = parts
  }

  /** The settings or a credential may allow what they did not. */
  forgive(): void {
    this.#silent.clear()
  }

  /**
   * Resolves with what is to be remembered. Rejects as ForgeApi, remoteHeads and the door do; what
   * was handed in until then is a duplicate the next time.
   */
  async look(
    repository: Repository,
    known: HeadsRow | undefined,
    signal: AbortSignal
  ): Promise<Looked> {
    // Another repository under that name has a history of its own.
    const row =
      known !== undefined && isSameRepository(known.url, repository.url) ? known : undefined
    const sinceMs = row?.sinceMs ?? this.#parts.clock.wallMs()
    if (row !== undefined && (await this.#redeliver(repository, sinceMs, signal))) {
      // What its forge brings itself says who pushed, so that goes first.
      return { row, isUnsettled: true }
    }
    const api = this.#parts.apis.of(repository)
    const repositoryId = row?.repositoryId ?? (await api?.repositoryId(signal))
    const heads = await this.#heads(repository, api, signal)
    const pulls = await this.#pulls(repository, api, signal)
    const { name, url } = repository
    const seen = { repository: name, url, repositoryId, sinceMs }
    if (heads.size > RECONCILE_HEADS_MAX) {
      this.#parts.log.warn({ repository: name, refs: heads.size }, 'too many refs to compare')
      return { row: { ...seen, pulls: record(pulls) }, isUnsettled: false }
    }
    return await this.#compare(repository, row, { seen, heads, pulls })
  }

  async #compare(
    repository: Repository,
    row: HeadsRow | undefined,
    now: {
      readonly seen: Omit<HeadsRow, 'refs' | 'pulls'>
      readonly heads: Heads
      readonly pulls: ReadonlyMap<string, string> | undefined
    }
  ): Promise<Looked> {
    const { seen, heads, pulls } = now
    // The first time only what is there is noted: nothing is run for what happened before.
    const { refs = Object.fromEntries(heads), pulls: pullsBefore = record(pulls) ?? {} } = row ?? {}
    const moved = changedIn(refs, heads).filter(({ name }) => isSelected(repository, name))
    const pulled = pulls === undefined ? [] : changedIn(pullsBefore, pulls)
    const left = { moved: [] as Changed[], pulled: [] as Changed[] }
    let count = 0
    const hand = async (of: Kind, changed: Changed): Promise<void> => {
      const id = idOf(of, changed)
      const isDue = this.#suspects.get(repository.name)?.has(id) === true
      if (!isDue || count >= RECONCILE_EVENTS_MAX) {
        left[of].push(changed)
        return
      }
      count += 1
      await this.#admit(repository, id, eventOf(of, repository, seen.repositoryId, changed))
    }
    for (const changed of moved) await hand('moved', changed)
    for (const changed of pulled) await hand('pulled', changed)
    const ids = [
      ...left.moved.map((changed) => idOf('moved', changed)),
      ...left.pulled.map((changed) => idOf('pulled', changed))
    ]
    if (ids.length === 0) this.#suspects.delete(repository.name)
    else this.#suspects.set(repository.name, new Set(ids))
    return {
      row: {
        ...seen,
        refs: seenBut(heads, left.moved),
        pulls: pulls === undefined ? row?.pulls : seenBut(pulls, left.pulled)
      },
      isUnsettled: ids.length > 0
    }
  }

  async #admit(repository: Repository, id: string, event: SourceEvent): Promise<void> {
    const { door, clock, log } = this.#parts
    const receivedAtMs = clock.wallMs()
    const arrival = { bringer: 'poll', id, event, repository, receivedAtMs } as const
    const { verdict, run, reason } = await door.admit(arrival)
    const facts = { repository: repository.name, ref: event.ref, verdict, run, reason }
    // A hook that brought it is how it should be.
    log[verdict === 'accepted' ? 'warn' : 'debug'](facts, 'found what no hook has brought')
  }

  /** True where something was asked for. */
  async #redeliver(repository: Repository, sinceMs: number, signal: AbortSignal): Promise<boolean> {
    const { apis, clock, log } = this.#parts
    const { name, credential } = repository
    const api = apis.of(repository)
    if (api?.failedDeliveries === undefined || credential === undefined) return false
    if (this.#silent.has(name)) return false
    try {
      const nowMs = clock.wallMs()
      const oldestMs = Math.max(sinceMs, nowMs - RECONCILE_DELIVERIES_MS_MAX)
      const fromMs = Math.max(oldestMs, this.#settledMs.get(name) ?? 0)
      const failed = (await api.failedDeliveries(fromMs, signal)).filter(({ delivery }) => {
        return !this.#asked.has(`${name} ${delivery}`)
      })
      for (const delivery of failed) await this.#ask(api, name, delivery, signal)
      if (failed.length > 0) log.warn({ repository: name, count: failed.length }, 'sent again')
      else this.#settledMs.set(name, nowMs - RECONCILE_OVERLAP_MS)
      return failed.length > 0
    } catch (error) {
      if (refusedStatusOf(error) === undefined) throw error
      // What it is known by may not see hooks: refs are compared in any case.
      this.#silent.add(name)
      log.info({ repository: name, cause: causeOf(error) }, 'deliveries not shown')
      return false
    }
  }

  async #ask(
    api: ForgeApi,
    name: string,
    failed: FailedDelivery,
    signal: AbortSignal
  ): Promise<void> {
    const asked = `${name} ${failed.delivery}`
    // Once each: a forge that does nothing about it must not be asked without end.
    this.#asked.set(asked, true)
    try {
      await api.redeliver?.(failed, signal)
    } catch (error) {
      // It was not looked at: without this it would be left out for good.
      if (limitedMsOf(error) !== undefined) this.#asked.delete(asked)
      throw error
    }
  }

  /** From the API where it knows us, since it says in a word that nothing has changed. */
  async #heads(
    repository: Repository,
    api: ForgeApi | undefined,
    signal: AbortSignal
  ): Promise<Heads> {
    if (api !== undefined && repository.credential !== undefined) {
      try {
        return await api.heads(signal)
      } catch (error) {
        // A deploy key is for git alone.
        if (refusedStatusOf(error) === undefined) throw error
      }
    }
    const access = await this.#parts.access(repository, signal)
    return await remoteHeads(repository.url, access, signal)
  }

  async #pulls(
    { credential, name }: Repository,
    api: ForgeApi | undefined,
    signal: AbortSignal
  ): Promise<ReadonlyMap<string, string> | undefined> {
    if (api === undefined || credential === undefined) return undefined
    try {
      return await api.openPullRequests(signal)
    } catch (error) {
      if (codeOf(error) !== 'FORGE_REFUSED' || !(error instanceof MeshError)) throw error
      this.#parts.log.debug({ repository: name, cause: causeOf(error) }, 'pull requests not shown')
      return undefined
    }
  }
}

function record(map: ReadonlyMap<string, string> | undefined) {
  return map === undefined ? undefined : Object.fromEntries(map)
}

function isSelected({ selects }: Repository, ref: string): boolean {
  const branch = /^refs\/heads\/(.+)$/.exec(ref)?.[1]
  return branch === undefined || selects(branch)
}

/** The same for the same change, whatever happens in between. */
function idOf(of: Kind, { name, before, after }: Changed): string {
  const text = JSON.stringify([of, name, before ?? '', after])
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}

function named({ name }: Repository, repositoryId: string | undefined) {
  return { repository: name, ...(repositoryId === undefined ? {} : { repositoryId }) }
}

/** Who pushed, nobody says. */
function eventOf(
  of: Kind,
  repository: Repository,
  repositoryId: string | undefined,
  { name, before = NO_COMMIT, after }: Changed
): SourceEvent {
  const who = named(repository, repositoryId)
  if (of === 'moved') {
    const kind = name.startsWith('refs/tags/') ? 'tag' : 'push'
    return { ...who, kind, ref: name, before, after, pusher: '', time: '' }
  }
  const folder = repository.forge === 'gitlab' ? 'merge-requests' : 'pull'
  const ref = `refs/${folder}/${name}/head`
  return { ...who, kind: 'pull_request', number: Number(name), ref, head: after }
}
