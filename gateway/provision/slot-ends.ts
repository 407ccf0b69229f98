import {
  PROVISION_MASKED_MS,
  PROVISION_STRANGE_MS,
  PROVISION_SURPLUS_MS
} from '../../protocol/core/provision-limits.ts'
import { jobIdOf, runIdOf } from '../../protocol/core/run.ts'
import type { ForgeRunner } from '../forge/runner-api.ts'
import type { Inbox } from '../ports.ts'
import type { RunnerEntry } from './provision.ts'
import type { Provisioned, RepositoryTurnParts } from './repository-turn.ts'
import { failureFacts } from './runner-release.ts'
import { hasEnded, type SeenSlot } from './slot-view.ts'

/** What a plan leaves for later. */
export interface Planned {
  /** Wall clock at which it may be another one without that anything else happens. */
  readonly laterMs: number
  /** All that waits is to be asked for before anything more is done. */
  readonly wantsLook: boolean
}

type SlotEndsParts = Pick<
  RepositoryTurnParts,
  'board' | 'book' | 'inbox' | 'release' | 'names' | 'cancel' | 'clock' | 'log'
>

/** How slots end before their runner does, and what they leave at their forge. */
export class SlotEnds {
  readonly #parts: SlotEndsParts
  /** Wall clock since when this process hears of slots. */
  readonly #sinceMs: number
  /** Slots that are too many: since when, by the wall clock. */
  readonly #surplus = new Map<string, { readonly repository: string; readonly sinceMs: number }>()
  /** Wall clock since when a runner's slot is on no board. */
  readonly #strange = new Map<string, number>()

  constructor(parts: SlotEndsParts) {
    this.#parts = parts
    this.#sinceMs = parts.clock.wallMs()
  }

  /** Somebody's runner has or had a job: if it is one of ours, its slot is to be left alone. */
  async noteBusy({ repository }: Provisioned, runner: string): Promise<void> {
    const { book, names, clock } = this.#parts
    const attempt = names()?.attemptOf(runner)
    if (attempt === undefined) return
    const slot = jobIdOf(attempt.runId, 0)
    const known = book.attempt(slot)
    const { epoch } = attempt
    if (known !== undefined && (known.epoch > epoch || known.tookJob)) return
    const sinceMs = known?.epoch === epoch ? known.sinceMs : clock.wallMs()
    // An organization's runners are seen by the turns of all its repositories.
    const name = known?.repository ?? repository.name
    const sealed = known?.epoch === epoch ? known.sealed : undefined
    const row = { kind: 'attempt', repository: name, slot, epoch, sinceMs, sealed } as const
    await book.begin({ ...row, isRegistered: true, tookJob: true })
  }

  /**
   * Ends these as soon as they are too many for PROVISION_SURPLUS_MS, those that nobody holds at
   * once; never by what an earlier turn has learned, since another gateway may know of jobs that
   * these are for.
   */
  async surplus(
    of: Provisioned,
    slots: readonly SeenSlot[],
    isFresh: boolean,
    signal: AbortSignal
  ): Promise<Planned> {
    const nowMs = this.#parts.clock.wallMs()
    const { name: repository } = of.repository
    this.#settle(repository, new Set(slots.map(({ id }) => id)))
    let laterMs = Number.POSITIVE_INFINITY
    let wantsLook = false
    for (const slot of slots) {
      const { sinceMs } = this.#surplus.get(slot.id) ?? { sinceMs: nowMs }
      this.#surplus.set(slot.id, { repository, sinceMs })
      const atMs = slot.standing === 'queued' ? nowMs : sinceMs + PROVISION_SURPLUS_MS
      if (atMs > nowMs) laterMs = Math.min(laterMs, atMs)
      else if (isFresh) await this.#end(of, slot, 'no job waits for its runner', signal)
      else wantsLook = true
    }
    return { laterMs, wantsLook }
  }

  /** Ends those whose runner has waited for too long; resolves with when the next one has. */
  async idle(
    of: Provisioned,
    { idleMs }: RunnerEntry,
    slots: readonly SeenSlot[],
    signal: AbortSignal
  ): Promise<number> {
    const { book, clock } = this.#parts
    const nowMs = clock.wallMs()
    let laterMs = Number.POSITIVE_INFINITY
    for (const slot of slots) {
      const attempt = book.attempt(slot.id)
      if (slot.standing !== 'held' || attempt?.epoch !== slot.epoch) continue
      const atMs = attempt.sinceMs + idleMs
      if (atMs <= nowMs) await this.#end(of, slot, `no job came within ${idleMs} ms`, signal)
      else laterMs = Math.min(laterMs, atMs)
    }
    return laterMs
  }

  async cancel({ boardJob, id }: SeenSlot, reason: string): Promise<void> {
    const { cancel, log } = this.#parts
    // On no board yet: the next turn finds it there.
    if (boardJob === undefined) return
    try {
      await cancel(boardJob, { reason })
      log.info({ slot: id, reason }, 'slot ended')
    } catch (error) {
      log.debug({ slot: id, ...failureFacts(error) }, 'slot not ended')
    }
  }

  /** Removes registrations of slots that have ended: else they stay with some forges for ever. */
  async clearAway(
    { repository, provision, api }: Provisioned,
    runners: readonly ForgeRunner[],
    slots: readonly SeenSlot[],
    signal: AbortSignal
  ): Promise<void> {
    const { log } = this.#parts
    const listed = new Set(runners.map(({ name }) => name))
    for (const name of this.#strange.keys()) if (!listed.has(name)) this.#strange.delete(name)
    for (const runner of runners) {
      if (runner.isBusy || !this.#isLeft(runner, slots)) continue
      const removed = await api.remove(provision.scope, runner.id, signal)
      const { name } = runner
      log.info({ repository: repository.name, runner: name, removed }, 'runner cleared away')
    }
  }

  /** Of a slot that has ended, or that every board seems to have forgotten. */
  #isLeft({ name, isOnline }: ForgeRunner, slots: readonly SeenSlot[]): boolean {
    const { names, clock } = this.#parts
    const attempt = names()?.attemptOf(name)
    if (attempt === undefined) return false
    const slot = slots.find(({ runId }) => runId === attempt.runId)
    if (slot !== undefined) return slot.isEnded
    // It may be another gateway's, whose slot is not heard of yet.
    const nowMs = clock.wallMs()
    const sinceMs = this.#strange.get(name) ?? nowMs
    this.#strange.set(name, sinceMs)
    return !isOnline && nowMs - sinceMs >= PROVISION_STRANGE_MS
  }

  /** Drops what is kept of slots that have ended, and later of those that no board has. */
  async forget({ repository }: Provisioned): Promise<void> {
    const { board, book, release, clock } = this.#parts
    const pastMs = clock.wallMs() - PROVISION_MASKED_MS
    await release.forget(async (slot) => {
      const job = board.job(slot)
      if (job === undefined) return await this.#isGone(slot, pastMs)
      return hasEnded(job) && job.changedAtMs < pastMs
    })
    const gone: string[] = []
    for (const { slot, repository: of } of book.attempts()) {
      if (of === repository.name && (await this.#isGone(slot, pastMs))) gone.push(slot)
    }
    await book.forget(gone)
  }

  /** Of no board for long; after a start it takes a while until this gateway has heard of all. */
  async #isGone(slot: string, pastMs: number): Promise<boolean> {
    const { board, book, inbox } = this.#parts
    const attempt = book.attempt(slot)
    if (board.job(slot) !== undefined || attempt === undefined) return false
    if (attempt.sinceMs >= pastMs || this.#sinceMs >= pastMs) return false
    // It may run on where nothing of it was heard.
    return !(await isOpen(inbox, slot))
  }

  /** What is not too many any more begins anew if it is so again. */
  #settle(repository: string, slots: ReadonlySet<string>): void {
    for (const [slot, since] of this.#surplus) {
      if (since.repository === repository && !slots.has(slot)) this.#surplus.delete(slot)
    }
  }

  /** Its registration goes first: what its forge has parted from is given no job any more. */
  async #end(of: Provisioned, slot: SeenSlot, reason: string, signal: AbortSignal): Promise<void> {
    const { release } = this.#parts
    release.end(slot.id)
    if (slot.standing === 'queued') return await this.cancel(slot, reason)
    const end = await this.#unregistered(of, slot, signal)
    if (end === 'over') return await this.cancel(slot, reason)
    release.spare(slot.id)
  }

  async #unregistered(
    of: Provisioned,
    { runId, id, epoch }: SeenSlot,
    signal: AbortSignal
  ): Promise<'over' | 'busy'> {
    const { book, names, clock } = this.#parts
    const { provision, api } = of
    const name = names()?.nameOf({ runId, epoch })
    const found = (await api.runners(provision.scope, signal)).find((each) => each.name === name)
    if (found === undefined) {
      const attempt = book.attempt(id)
      // It may be ending by itself just now, after its job.
      const isFresh = attempt?.epoch === epoch && clock.wallMs() - attempt.sinceMs < FRESH_MS
      return isFresh ? 'busy' : 'over'
    }
    const end = found.isBusy ? 'busy' : await api.remove(provision.scope, found.id, signal)
    if (end !== 'busy') return 'over'
    await this.noteBusy(of, found.name)
    return 'busy'
  }
}

/** A slot that this gateway has announced, and of which it has not heard that it ended. */
export async function isOpen(inbox: Pick<Inbox, 'byRun'>, slot: string): Promise<boolean> {
  const delivery = await inbox.byRun(runIdOf(slot))
  return delivery !== undefined && delivery.openEpoch > 0
}

/** Milliseconds for which a runner that its forge does not list is left to end by itself. */
const FRESH_MS = 2 * PROVISION_SURPLUS_MS
