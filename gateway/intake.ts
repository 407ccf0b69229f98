import { backoffMs } from '../protocol/core/backoff.ts'
import { causeOf, codeOf } from '../protocol/core/errors.ts'
import {
  INTAKE_FETCH_MS_MAX,
  INTAKE_PARALLEL_MAX,
  INTAKE_QUEUE_MAX,
  INTAKE_RETRY_MS_MAX,
  INTAKE_RETRY_MS_MIN,
  REPOSITORY_ABSENT_MS_MAX
} from '../protocol/core/limits.ts'
import type { Random } from '../protocol/core/ports.ts'
import { ANNOUNCEMENT_REFUSED_MS_MAX } from '../protocol/core/roster-limits.ts'
import type { SealedAnnouncement } from '../protocol/core/run.ts'
import type { Log } from '../protocol/host/log.ts'
import type { Delivery, DeliveryPatch } from '../protocol/store/inbox-store.ts'
import { type Announced, type AnnounceParts, announce, announceAnew } from './announce.ts'
import { type Item, turnsOf } from './intake-turns.ts'
import type { GatewayCounts } from './metrics/event-metrics.ts'
import type { Recorder } from './ports.ts'

/** For whoever asks the API why the run does not begin: no waiting of the gateway ends that. */
const EXPLAINED: ReadonlySet<string> = new Set([
  'ANNOUNCEMENT_INVALID',
  'DISK_LOW',
  'EPOCH_UNREACHABLE',
  'CREDENTIAL_UNKNOWN',
  'CREDENTIAL_UNREADABLE',
  'FORGE_LIMITED',
  'FORGE_REFUSED',
  'FORGE_UNREACHABLE'
])

const RETRY = { firstMs: INTAKE_RETRY_MS_MIN, maxMs: INTAKE_RETRY_MS_MAX }

export interface IntakeParts extends AnnounceParts {
  readonly recorder: Recorder
  /** Called once a run has begun anew: what is kept of its jobs is of the one before. */
  readonly onAnew?: ((runId: string) => Promise<void>) | undefined
  /** Called once a delivery has ended without an announcement, or waits for an approval. */
  readonly onEnded?: (() => void) | undefined
  readonly onPhase?: GatewayCounts['phase'] | undefined
  readonly random: Random
  readonly log: Log
}

export interface IntakeOptions {
  readonly queueMax?: number | undefined
  readonly parallelMax?: number | undefined
}

/**
 * From stored deliveries to recorded runs, a few side by side, as turnsOf says. All that it knows
 * is in the inbox: killed at any point, the next process goes on where this one was.
 */
export class Intake {
  readonly #parts: IntakeParts
  readonly #queueMax: number
  readonly #parallelMax: number
  /** By key of the delivery, in order of arrival. */
  readonly #queue = new Map<string, Item>()
  readonly #active = new Map<string, Promise<void>>()
  readonly #abort = new AbortController()
  #reserved = 0
  #state: 'new' | 'running' | 'stopped' = 'new'
  #cancelTimer: () => void = () => undefined

  constructor(parts: IntakeParts, options: IntakeOptions = {}) {
    this.#parts = parts
    this.#queueMax = options.queueMax ?? INTAKE_QUEUE_MAX
    this.#parallelMax = options.parallelMax ?? INTAKE_PARALLEL_MAX
  }

  /** Goes on with what earlier processes left undone. */
  async start(): Promise<void> {
    for (const delivery of await this.#parts.inbox.undone()) this.#add(delivery)
    this.#state = 'running'
    if (this.#queue.size > 0) this.#parts.log.info({ count: this.#queue.size }, 'intake resumed')
    this.#pump()
  }

  /**
   * Takes nothing new and lets what is at work finish for `limitMs`; the rest is in the inbox.
   * Resolves when nothing of it runs any more or the limit is over.
   */
  async stop(limitMs: number): Promise<void> {
    this.#state = 'stopped'
    this.#cancelTimer()
    const finished = Promise.allSettled(this.#active.values())
    let cancel: () => void = () => undefined
    const limit = new Promise<void>((resolve) => {
      cancel = this.#parts.clock.arm(limitMs, resolve)
    })
    await Promise.race([finished, limit])
    cancel()
    this.#abort.abort()
  }

  /** Deliveries stored but not recorded. */
  get queued(): number {
    return this.#queue.size
  }

  /** Keeps a place for a delivery that is about to be stored; false when there is none. */
  reserve(): boolean {
    if (this.#state !== 'running') return false
    if (this.#queue.size + this.#reserved >= this.#queueMax) return false
    this.#reserved += 1
    return true
  }

  /** Gives a reserved place back. */
  release(): void {
    this.#reserved -= 1
  }

  /** Starts work on a delivery that is stored, or stored as received once more. */
  take(delivery: Delivery): void {
    this.#add(delivery)
    this.#pump()
  }

  /**
   * Takes up the runs again that were recorded under a witness epoch which was given up since, and
   * had not ended as far as is known here: they begin anew, and may run a second time.
   */
  async beginAnew(): Promise<void> {
    const { inbox, recorder, log } = this.#parts
    for (const { key, runId: run, openEpoch } of inbox.open()) {
      if (!recorder.isLost(openEpoch)) continue
      const delivery = await inbox.get(key)
      if (delivery?.sealed === undefined) continue
      const change = { state: 'received', reason: '', openEpoch: 0 } as const
      await inbox.update(key, change)
      log.warn({ run, witnessEpoch: openEpoch }, 'run begins anew')
      this.take({ ...delivery, ...change })
    }
  }

  /** The run has ended: it begins anew no more. */
  async ended(runId: string): Promise<void> {
    const { inbox } = this.#parts
    const open = inbox.open().filter((delivery) => delivery.runId === runId)
    for (const { key } of open) await inbox.update(key, { openEpoch: 0 })
  }

  /**
   * Judges anew what of a pull request is not announced yet; resolves with how many deliveries
   * those are, once it is synced that they are to be judged.
   */
  async lookAgain(subject: string): Promise<number> {
    let count = 0
    for (const { key, state } of this.#parts.inbox.ofSubject(subject)) {
      const item = this.#queue.get(key)
      if (item !== undefined) item.isStale = true
      if (state === 'waiting') await this.#takeUp(key, { state: 'received', reason: '' })
      if (state === 'waiting' || item !== undefined) count += 1
    }
    return count
  }

  /** Goes on with a delivery that somebody has approved. Rejects with STORE_FAILED. */
  async approved(key: string, by: string): Promise<void> {
    await this.#takeUp(key, { state: 'received', reason: `approved by ${by}`, approvedBy: by })
  }

  async #takeUp(key: string, change: DeliveryPatch): Promise<void> {
    const { inbox } = this.#parts
    await inbox.update(key, change)
    const delivery = await inbox.get(key)
    if (delivery !== undefined) this.take(delivery)
  }

  /** Tries at once what waits for the mesh or the settings: something of them has come. */
  wake(): void {
    for (const item of this.#queue.values()) {
      const isOnForge = item.fetchFailedAtMs !== undefined && item.absentAtMs === undefined
      if (!isOnForge) item.readyAtMs = 0
    }
    this.#pump()
  }

  #add(delivery: Delivery): void {
    const item = {
      delivery,
      tries: 0,
      readyAtMs: 0,
      fetchFailedAtMs: undefined,
      absentAtMs: undefined,
      refusedAtMs: undefined,
      sealedAtMs: undefined,
      isStale: false
    }
    this.#queue.set(delivery.key, item)
  }

  #pump(): void {
    if (this.#state !== 'running') return
    this.#cancelTimer()
    const nowMs = this.#parts.clock.bootMs()
    const options = { nowMs, parallelMax: this.#parallelMax }
    const { begin, nextMs } = turnsOf(this.#queue.values(), this.#active, options)
    for (const item of begin) this.#begin(item.delivery.key, item)
    if (nextMs === Number.POSITIVE_INFINITY) return
    this.#cancelTimer = this.#parts.clock.arm(nextMs - nowMs, () => this.#pump())
  }

  #begin(key: string, item: Item): void {
    const work = this.#work(item)
      .then(() => {
        // Unless it was received once more in the moment of its end: that is another item.
        if (this.#queue.get(key) === item) this.#queue.delete(key)
      })
      .catch((error: unknown) => this.#failed(item, error))
      .finally(() => {
        this.#active.delete(key)
        this.#pump()
      })
    this.#active.set(key, work)
  }

  async #work(item: Item): Promise<void> {
    const { inbox, log } = this.#parts
    const { key, runId: run } = item.delivery
    try {
      await this.#run(item)
    } catch (error) {
      const end = this.#refusalOf(item, error)
      if (end === undefined) throw error
      await inbox.update(key, end)
      log[end.reopenable ? 'warn' : 'info']({ run, ...end }, 'delivery ended')
    }
  }

  async #run(item: Item): Promise<void> {
    const { inbox, clock, log } = this.#parts
    const { key, runId: run } = item.delivery
    const sealed = await this.#sealed(item)
    if (sealed === undefined) return
    item.sealedAtMs ??= clock.wallMs()
    const { sealedAtMs } = item
    const chosen = await this.#record(item, sealed)
    const ms = clock.wallMs() - sealedAtMs
    log.info({ run, phase: 'record', ms }, 'phase finished')
    this.#parts.onPhase?.('record', ms)
    await this.#publish(chosen)
    // Last: a delivery that is marked done is never looked at again.
    const { error, jobs } = chosen.announcement.manifest
    const done = error === undefined ? 'recorded' : 'errored'
    const reason = error?.message ?? `announced ${jobs.length} job${jobs.length === 1 ? '' : 's'}`
    const openEpoch = jobs.length === 0 ? 0 : chosen.announcement.witnessEpoch
    await inbox.update(key, { state: done, reason, openEpoch })
    log.info({ run, state: done, reason }, 'run recorded')
  }

  /** How a delivery ends that the mesh refuses for good; undefined where it may be tried again. */
  #refusalOf(
    item: Item,
    error: unknown
  ): Pick<Delivery, 'state' | 'reason' | 'reopenable'> | undefined {
    const reason = causeOf(error)
    // It ended so long ago that it is kept no more: not run again, then.
    if (codeOf(error) === 'RUN_GONE') return { state: 'ignored', reason, reopenable: false }
    if (codeOf(error) !== 'ANNOUNCEMENT_INVALID') return undefined
    // Not at once: the roster that admits this gateway may not have come to all witnesses yet.
    if (!this.#isOver(item.refusedAtMs, ANNOUNCEMENT_REFUSED_MS_MAX)) return undefined
    return { state: 'errored', reason, reopenable: true }
  }

  /** Under a later witness epoch, where the run can begin no more in the one it was pinned to. */
  async #record(item: Item, sealed: SealedAnnouncement): Promise<SealedAnnouncement> {
    const { inbox, recorder, log } = this.#parts
    const { signal } = this.#abort
    const { runId: run } = item.delivery
    try {
      return await recorder.recordRun(sealed, signal, await inbox.firstEpochOf(run))
    } catch (error) {
      if (codeOf(error) !== 'RUN_SUPERSEDED') throw error
      const anew = await announceAnew(this.#parts, item.delivery, sealed)
      const from = sealed.announcement.witnessEpoch
      log.warn({ run, from, to: anew.announcement.witnessEpoch }, 'run announced anew')
      item.delivery = { ...item.delivery, sealed: anew.bytes }
      const chosen = await recorder.recordRun(anew, signal, await inbox.firstEpochOf(run))
      if (recorder.isLost(from)) await this.#parts.onAnew?.(run)
      return chosen
    }
  }

  async #sealed(item: Item): Promise<SealedAnnouncement | undefined> {
    const { announcer, inbox, clock, log } = this.#parts
    const { delivery } = item
    const { runId: run, receivedAtMs } = delivery
    if (delivery.sealed !== undefined) return announcer.open(delivery.sealed)
    item.isStale = false
    const announced = await this.#announced(item)
    if (announced.kind === 'ended') {
      // What it was judged by is of before: closed, while it was about to wait.
      if (announced.state === 'waiting' && item.isStale) return await this.#sealed(item)
      const { kind: _kind, ...end } = announced
      await inbox.update(delivery.key, end)
      log[end.reopenable ? 'warn' : 'info']({ run, ...end }, 'delivery ended')
      this.#parts.onEnded?.()
      return undefined
    }
    item.delivery = { ...delivery, sealed: announced.sealed.bytes }
    item.fetchFailedAtMs = undefined
    item.tries = 0
    // It asks no forge any more: the next delivery of its repository may.
    this.#pump()
    const ms = clock.wallMs() - receivedAtMs
    log.info({ run, phase: 'intake', ms }, 'phase finished')
    this.#parts.onPhase?.('read', ms)
    return announced.sealed
  }

  async #announced(item: Item): Promise<Announced> {
    const signal = this.#abort.signal
    const lastTry = this.#isOver(item.fetchFailedAtMs, INTAKE_FETCH_MS_MAX)
    try {
      return await announce(this.#parts, item.delivery, { signal, lastTry })
    } catch (error) {
      const state = this.#endOf(item, error)
      if (state === undefined) throw error
      return { kind: 'ended', state, reason: causeOf(error), reopenable: true }
    }
  }

  /** The state of a delivery that no further try can help, undefined for all others. */
  #endOf(item: Item, error: unknown): 'ignored' | 'errored' | undefined {
    const code = codeOf(error)
    if (code === 'ANNOUNCEMENT_INVALID') return 'errored'
    // An entry can be away for a moment only, between two edits of gateway.yaml.
    if (!this.#isOver(item.absentAtMs, REPOSITORY_ABSENT_MS_MAX)) return undefined
    if (code === 'REPOSITORY_ABSENT') return 'ignored'
    return code === 'REPOSITORY_MOVED' ? 'errored' : undefined
  }

  /** True once something has lasted that began at `sinceMs`. */
  #isOver(sinceMs: number | undefined, limitMs: number): boolean {
    return sinceMs !== undefined && this.#parts.clock.bootMs() - sinceMs >= limitMs
  }

  async #publish(chosen: SealedAnnouncement): Promise<void> {
    try {
      await this.#parts.recorder.publish(chosen)
    } catch (error) {
      // Gossip is a hint: the run is recorded, and anti-entropy tells whoever missed it.
      const run = chosen.announcement.runId
      this.#parts.log.warn({ run, cause: causeOf(error) }, 'announcement not published')
    }
  }

  #explain(item: Item, reason: string): void {
    const { inbox, log } = this.#parts
    const { delivery } = item
    if (delivery.reason === reason) return
    item.delivery = { ...delivery, reason }
    inbox.update(delivery.key, { reason }).catch((error: unknown) => {
      log.warn({ run: delivery.runId, cause: causeOf(error) }, 'reason not kept')
    })
  }

  #failed(item: Item, error: unknown): void {
    const { clock, random, log } = this.#parts
    const code = codeOf(error) ?? 'BUG'
    const { runId: run, sealed } = item.delivery
    if (this.#state === 'stopped') return
    if (code === 'STORE_FAILED' || code === 'STORE_SUSPECT') {
      // Nothing that is done from here on could be remembered: the daemon is about to stop.
      this.#state = 'stopped'
      log.error({ run, code, cause: causeOf(error) }, 'intake stopped')
      return
    }
    const nowMs = clock.bootMs()
    item.refusedAtMs = code === 'ANNOUNCEMENT_INVALID' ? (item.refusedAtMs ?? nowMs) : undefined
    if (code === 'REPOSITORY_ABSENT' || code === 'REPOSITORY_MOVED') {
      item.absentAtMs ??= nowMs
    } else {
      item.absentAtMs = undefined
      if (sealed === undefined && code !== 'ROSTER_ABSENT') item.fetchFailedAtMs ??= nowMs
    }
    // At least a turn of the event loop: a step that fails at once must not keep everyone else out.
    const retryMs = Math.max(1, Math.ceil(backoffMs(item.tries, random.next(), RETRY)))
    item.tries += 1
    item.readyAtMs = nowMs + retryMs
    const facts = { run, code, cause: causeOf(error), tries: item.tries, retryMs }
    log.warn(facts, 'intake step failed')
    if (EXPLAINED.has(code)) this.#explain(item, causeOf(error))
  }
}
