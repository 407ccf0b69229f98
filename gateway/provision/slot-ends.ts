import {
  PROVISION_MASKED_MS,
  PROVISION_STRANGE_MS,
  PROVISION_SURPLUS_MS
} from '../../protocol/core/provision-limits.ts'
import { jobIdOf } from '../../protocol/core/run.ts'
import type { ForgeRunner } from '../forge/runner-api.ts'
import type { RunnerEntry } from './provision.ts'
import type { Provisioned, RepositoryTurnParts } from './repository-turn.ts'
import { failureFacts } from './runner-release.ts'
import type { SeenSlot } from './slot-view.ts'

/** What a plan leaves for later. */
export interface Planned {
  /** Wall clock at which it may be another one without that anything else happens. */
  readonly laterMs: number
  /** All that waits is to be asked for before anything more is done. */
  readonly wantsLook: boolean
}

type SlotEndsParts = Pick<
  RepositoryTurnParts,
  'book' | 'release' | 'names' | 'cancel' | 'clock' | 'log'
>

/** How slots end before their runner does, and what they leave at their forge. */
export class SlotEnds {
  readonly #parts: SlotEndsParts
  /** Slots that are too many: since when, by the wall clock. */
  readonly #surplus = new Map<string, { readonly repository: string; readonly sinceMs: number }>()
  /** Wall clock since when a runner's slot is on no board. */
  readonly #strange = new Map<string, number>()

  constructor(parts: SlotEndsParts) {
    this.#parts = parts
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
    const row = { kind: 'attempt', repository: name, slot, epoch, sinceMs } as const
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
  async forget({ repository }: Provisioned, slots: readonly SeenSlot[]): Promise<void> {
    const { book, release, clock } = this.#parts
    const pastMs = clock.wallMs() - PROVISION_MASKED_MS
    const seen = new Map(slots.map((slot) => [slot.id, slot]))
    const isGone = (slot: string): boolean => {
      const attempt = book.attempt(slot)
      const isOld = attempt !== undefined && attempt.sinceMs < pastMs
      return !seen.has(slot) && isOld && attempt.repository === repository.name
    }
    release.forget((slot) => {
      const known = seen.get(slot)
      return known === undefined ? isGone(slot) : known.isEnded && known.changedAtMs < pastMs
    })
    await book.forget(book.attempts().flatMap(({ slot }) => (isGone(slot) ? [slot] : [])))
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

/** Milliseconds for which a runner that its forge does not list is left to end by itself. */
const FRESH_MS = 2 * PROVISION_SURPLUS_MS
