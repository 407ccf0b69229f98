import type { BoardJob } from '../../protocol/core/board-job.ts'
import type { CancelTerms } from '../../protocol/core/job.ts'
import type { Clock } from '../../protocol/core/ports.ts'
import { PROVISION_ASKED_MAX, PROVISION_UNSEEN_MS } from '../../protocol/core/provision-limits.ts'
import { jobIdOf, type RunOrigin } from '../../protocol/core/run.ts'
import { slotPlan } from '../../protocol/core/slots.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { ForgeApi } from '../forge/forge-api.ts'
import type { ForgeJob, RunnerApi } from '../forge/runner-api.ts'
import type { Inbox } from '../ports.ts'
import type { Repository } from '../repositories.ts'
import type { SourceDoor } from '../source-door.ts'
import { originOf } from '../source-event.ts'
import { entryFor, labelsKey, type Provision, type RunnerEntry } from './provision.ts'
import type { JobRow, ProvisionBook } from './provision-book.ts'
import type { RunnerNames } from './runner-name.ts'
import type { RunnerRelease } from './runner-release.ts'
import { type Planned, SlotEnds } from './slot-ends.ts'
import { slotEvent } from './slot-event.ts'
import { readyAtMs, type SeenSlot, type SlotViewParts, slotsOf } from './slot-view.ts'

export interface RepositoryTurnParts {
  readonly apis: { of(repository: Repository): ForgeApi | undefined }
  readonly board: SlotViewParts['board']
  readonly book: ProvisionBook
  readonly inbox: Pick<Inbox, 'byRun'>
  readonly door: Pick<SourceDoor, 'admit'>
  readonly release: RunnerRelease
  readonly names: () => RunnerNames | undefined
  readonly runIdOf: (origin: RunOrigin) => string
  readonly cancel: (job: BoardJob, terms: CancelTerms) => Promise<unknown>
  readonly clock: Pick<Clock, 'wallMs'>
  readonly log: Log
}

/** One repository that has `provision`, with what its forge is asked by. */
export interface Provisioned {
  readonly repository: Repository
  readonly provision: Provision
  readonly api: RunnerApi
}

/** Slots as a turn saw them when it began. */
export interface SeenSlots {
  readonly slots: readonly SeenSlot[]
  /** Wall clock of that moment: what is on its way is judged by it, too. */
  readonly atMs: number
}

interface SetOfSlots {
  /** Of the label set, not ended. */
  readonly own: readonly SeenSlot[]
  /** Of the repository, those that have ended too. */
  readonly known: readonly SeenSlot[]
  /** Jobs that were asked for in this turn. */
  readonly fresh: Set<string>
}

/**
 * One look at one repository's jobs and runners, and what follows from it. All that it goes by is
 * what the forge says now, what the board has, and the book: so it is the same after a restart.
 */
export class RepositoryTurn {
  readonly #parts: RepositoryTurnParts
  readonly #ends: SlotEnds

  constructor(parts: RepositoryTurnParts) {
    this.#parts = parts
    this.#ends = new SlotEnds(parts)
  }

  /** Undefined where there is nothing to run for it. */
  provisioned(repository: Repository): Provisioned | undefined {
    const { provision } = repository
    const api = this.#parts.apis.of(repository)?.runners
    return provision && api && { repository, provision, api }
  }

  /** Slots of the repository as they are on the board now. */
  slots({ repository }: Provisioned): SeenSlots {
    return { slots: slotsOf(this.#parts, repository), atMs: this.#parts.clock.wallMs() }
  }

  /** Asks for all that waits, and for all runners. Rejects as RunnerApi does. */
  async look(of: Provisioned, signal: AbortSignal): Promise<void> {
    const { book } = this.#parts
    const { repository, provision, api } = of
    const waiting = await api.waiting(signal)
    const runners = await api.runners(provision.scope, signal)
    for (const { name, isBusy } of runners) if (isBusy) await this.#ends.noteBusy(of, name)
    const ours = waiting.filter((job) => this.#isOurs(of, job))
    for (const job of ours) await this.#keep(of, job)
    const now = new Set(ours.map(({ id }) => id))
    const gone = book.jobsOf(repository).filter(({ job }) => !now.has(job))
    for (const row of gone) await this.#lookAt(of, row.job, signal)
    await this.#ends.clearAway(of, runners, slotsOf(this.#parts, repository), signal)
  }

  /** Asks for these jobs alone. Rejects as RunnerApi does. */
  async lookAt(of: Provisioned, jobs: readonly string[], signal: AbortSignal): Promise<void> {
    for (const job of jobs) await this.#lookAt(of, job, signal)
  }

  /**
   * Starts and ends slots by what is known now. `seen` are the slots from before anything was asked
   * for: a job that was taken, and its slot ended, after its forge was asked would else be given
   * another one. `asked` is what was: all, or these jobs. Rejects as the door and RunnerApi do.
   */
  async plan(
    of: Provisioned,
    seen: SeenSlots,
    asked: 'all' | readonly string[],
    signal: AbortSignal
  ): Promise<Planned> {
    const isFresh = asked === 'all'
    const jobs = this.#parts.book.jobsOf(of.repository).map(({ job }) => job)
    const fresh = new Set(isFresh ? jobs : asked)
    const { provision } = of
    const known = [...seen.slots, ...(await this.#unseen(of, seen))]
    const live = known.filter(({ isEnded, isLeaving }) => !isEnded && !isLeaving)
    for (const slot of live.filter(({ isSpent }) => isSpent)) {
      await this.#ends.cancel(slot, 'its runner had a job when its host was lost')
    }
    const useful = live.filter(({ isSpent }) => !isSpent)
    const keys = new Set(provision.runners.map(({ labels }) => labelsKey(labels)))
    // Of label sets that gateway.yaml has no more.
    const end = useful.filter(({ key, standing }) => !keys.has(key) && standing !== 'busy')
    let laterMs = Number.POSITIVE_INFINITY
    let wantsLook = false
    for (const entry of provision.runners) {
      const key = labelsKey(entry.labels)
      const own = useful.filter((slot) => slot.key === key)
      const set = await this.#planSet(of, entry, { own, known, fresh }, signal)
      end.push(...set.end)
      wantsLook ||= set.wantsLook
      const idleMs = await this.#ends.idle(of, entry, own, signal)
      laterMs = Math.min(laterMs, set.laterMs, idleMs)
    }
    const rest = await this.#ends.surplus(of, end, isFresh, signal)
    wantsLook ||= rest.wantsLook
    return { wantsLook, laterMs: Math.min(laterMs, rest.laterMs) }
  }

  /** What a restart leaves of slots that have ended; nothing of it is asked for any more. */
  async forget(of: Provisioned): Promise<void> {
    await this.#ends.forget(of)
  }

  async #planSet(
    of: Provisioned,
    entry: RunnerEntry,
    slots: SetOfSlots,
    signal: AbortSignal
  ): Promise<Planned & { readonly end: readonly SeenSlot[] }> {
    const { api } = of
    const rules = { slotsMax: entry.slotsMax, takes: api.takes }
    for (;;) {
      const { waiting, laterMs } = this.#waiting(of, entry, slots.known)
      const { start, end } = slotPlan(waiting, slots.own, rules)
      // A runner may have had one and be gone again before any hook has come: its own, or, where it
      // takes any, another that waits here still and is counted.
      const counted = start.length === 0 || api.takes === 'own' ? start : waiting
      const stale = counted.filter(({ id }) => !slots.fresh.has(id))
      const isAskable = api.job !== undefined && stale.length <= PROVISION_ASKED_MAX
      if (stale.length > 0 && !isAskable) return { end, laterMs, wantsLook: true }
      for (const { id } of stale) {
        await this.#lookAt(of, id, signal)
        slots.fresh.add(id)
      }
      if (stale.length > 0) continue
      for (const { row } of start) await this.#start(of, entry, row, slots.known)
      return { end, laterMs, wantsLook: false }
    }
  }

  #waiting({ repository, provision }: Provisioned, entry: RunnerEntry, known: readonly SeenSlot[]) {
    const { book, clock } = this.#parts
    const nowMs = clock.wallMs()
    let laterMs = Number.POSITIVE_INFINITY
    const waiting = book
      .jobsOf(repository)
      .filter((row) => row.state === 'waiting' && entryFor(provision, row.labels) === entry)
      .map((row) => {
        const atMs = readyAtMs(known, row)
        if (atMs > nowMs) laterMs = Math.min(laterMs, atMs)
        return { id: row.job, row, isReady: atMs <= nowMs }
      })
    return { waiting, laterMs }
  }

  async #start(
    { repository }: Provisioned,
    { labels }: RunnerEntry,
    row: JobRow,
    slots: readonly SeenSlot[]
  ): Promise<void> {
    const { book, door, clock, log } = this.#parts
    const named = slots.filter(({ job }) => job === row.job).map((slot) => slot.generation)
    const generation = 1 + Math.max(row.generation, ...named)
    // First: a slot of that name may be on its way when this process ends.
    await book.keep({ ...row, generation })
    const event = slotEvent(repository.name, {
      job: row.job,
      jobName: row.name,
      labels,
      generation
    })
    const receivedAtMs = clock.wallMs()
    const id = `${row.job}-${generation}`
    const arrival = { bringer: 'provision', id, event, repository, receivedAtMs } as const
    const { run, verdict, reason } = await door.admit(arrival)
    const facts = { repository: repository.name, job: row.job, generation, run, verdict, reason }
    log.info(facts, 'slot started')
  }

  /** Slots that this gateway has started and that are on no board yet. */
  async #unseen(
    { repository, provision }: Provisioned,
    seen: SeenSlots
  ): Promise<readonly SeenSlot[]> {
    const { book, inbox, runIdOf } = this.#parts
    const unseen: SeenSlot[] = []
    for (const row of book.jobsOf(repository)) {
      const { job, generation, labels } = row
      const isOnBoard = seen.slots.some(
        (slot) => slot.job === job && slot.generation === generation
      )
      if (generation < 0 || isOnBoard) continue
      const entry = entryFor(provision, labels)
      const set = entry?.labels ?? labels
      const event = slotEvent(repository.name, { job, jobName: '', labels: set, generation })
      const runId = runIdOf(originOf(event, repository.url))
      const delivery = await inbox.byRun(runId)
      // By the clock of then: one that came onto the board since, and ended there, would else be
      // neither seen nor on its way, and its job be given another one.
      const isOnItsWay =
        delivery?.state === 'received' ||
        (delivery?.state === 'recorded' && seen.atMs - delivery.receivedAtMs < PROVISION_UNSEEN_MS)
      if (delivery === undefined || !isOnItsWay) continue
      unseen.push({
        id: jobIdOf(runId, 0),
        runId,
        job,
        generation,
        key: labelsKey(set),
        standing: 'queued',
        isEnded: false,
        isSpent: false,
        isLeaving: false,
        isBarren: false,
        epoch: 0,
        changedAtMs: delivery.receivedAtMs,
        boardJob: undefined
      })
    }
    return unseen
  }

  async #lookAt(of: Provisioned, id: string, signal: AbortSignal): Promise<void> {
    const { book } = this.#parts
    const { repository, api } = of
    const job = await api.job?.(id, signal)
    if (job !== undefined && job.runner !== '') await this.#ends.noteBusy(of, job.runner)
    if (job !== undefined && this.#isOurs(of, job)) return await this.#keep(of, job)
    await book.drop(book.jobsOf(repository).filter((row) => row.job === id))
  }

  #isOurs({ repository, provision }: Provisioned, job: ForgeJob): boolean {
    if (!job.isWaiting || entryFor(provision, job.labels) === undefined) return false
    if (!job.isFork || provision.forks === 'run') return true
    const facts = { repository: repository.name, job: job.id }
    this.#parts.log.debug(facts, 'no runner for a job of a fork')
    return false
  }

  async #keep({ repository }: Provisioned, { id, name, labels }: ForgeJob): Promise<void> {
    const { book, clock, log } = this.#parts
    const { name: of, url } = repository
    const known = book.jobsOf(repository).find((row) => row.job === id)
    const isNew = known?.state !== 'waiting'
    const isKept = await book.keep({
      kind: 'job',
      repository: of,
      url,
      job: id,
      state: 'waiting',
      name,
      labels,
      sinceMs: isNew ? clock.wallMs() : known.sinceMs,
      generation: known?.generation ?? -1
    })
    if (!isKept) log.warn({ repository: of, job: id }, 'too many jobs wait: found again later')
  }
}
