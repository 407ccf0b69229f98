import { MeshError } from '../core/errors.ts'
import {
  DELIVERIES_KEPT_MAX,
  DELIVERY_BYTES_MAX,
  INTAKE_QUEUE_MAX,
  PAGE_ROWS_MAX,
  STORE_NAME_CHARACTERS_MAX
} from '../core/limits.ts'
import type { Committer } from './committer.ts'
import type { StoreOp } from './database.ts'
import { behind, deliveryKeys, pinKey, sequenceOf } from './keys.ts'
import { type OpenAnnouncement, OpenAnnouncements } from './open-announcements.ts'
import type { Reader } from './reader.ts'
import { RunPins } from './run-pins.ts'
import { sealJson, sealValue } from './sealed-value.ts'

/** `waiting`: for a person's approval; nothing of it was announced. */
export type DeliveryState = 'received' | 'waiting' | 'recorded' | 'ignored' | 'errored'

/** What can be shown of a delivery without reading its body. */
export interface DeliverySummary {
  /** `repository/webhook-id`: what makes two requests one delivery. */
  readonly key: string
  readonly deliveryId: string
  readonly repository: string
  /** URL of the repository when the delivery came; '' in records from before it was kept. */
  readonly url: string
  /** '' where the delivery starts no run. */
  readonly runId: string
  /** Wall clock, milliseconds. */
  readonly receivedAtMs: number
  readonly state: DeliveryState
  /** Why it is in this state; '' where there is nothing to say. */
  readonly reason: string
  /** True where the settings ended it, not what it means: sent again, it is received again. */
  readonly reopenable: boolean
  /**
   * Witness epoch in which its run was recorded, until it is known to have ended; 0 before and
   * afterwards, and in records from before it was kept.
   */
  readonly openEpoch: number
  /** What all deliveries of one pull request have in common; '' or absent for others. */
  readonly subject?: string | undefined
  /** Who has approved its run; '' or absent where nobody has. */
  readonly approvedBy?: string | undefined
  /** Of a pull request the branch that it went to when it was looked at; absent before. */
  readonly base?: string | undefined
}

export interface Delivery extends DeliverySummary {
  /** JSON of the parsed event; at most DELIVERY_BYTES_MAX bytes. */
  readonly body: string
  /** The announcement's envelope, once it is made. */
  readonly sealed: Uint8Array | undefined
}

export type DeliveryPatch = Partial<
  Omit<Delivery, 'key' | 'deliveryId' | 'repository' | 'receivedAtMs' | 'subject' | 'body'>
> & {
  /** With `sealed`, in one batch: what was announced stays open until its run is closed. */
  readonly open?: OpenAnnouncement | undefined
}

type Wanted = (summary: DeliverySummary) => boolean

export interface DeliveryPage {
  /** Newest first. */
  readonly deliveries: readonly DeliverySummary[]
  /** Cursor of the page after this one; undefined at the end. */
  readonly next: number | undefined
}

/** A gateway's durable inbox. All calls reject with STORE_FAILED once a write has failed. */
export interface InboxStore {
  /**
   * Resolves once the delivery is synced: of any number of calls with one key, side by side too,
   * one answers `stored`. Rejects with OVERLOADED when DELIVERIES_KEPT_MAX are kept and none of
   * them is finished, with BODY_TOO_LARGE or REQUEST_INVALID for one that must not be kept.
   */
  put(delivery: Delivery): Promise<'stored' | 'known'>
  get(key: string): Promise<Delivery | undefined>
  /** The delivery of the run that no other one begins anew; else the oldest. */
  byRun(runId: string): Promise<Delivery | undefined>
  /** Resolves once the change is synced; rejects with BUG for a delivery that is not kept. */
  update(key: string, patch: DeliveryPatch): Promise<void>
  /** Deliveries in state `received`, oldest first, at most `limit` (default INTAKE_QUEUE_MAX). */
  undone(limit?: number): Promise<Delivery[]>
  /** `cursor` is `next` of the page before, undefined for the newest; those that are wanted. */
  list(limit: number, cursor: number | undefined, isWanted?: Wanted): Promise<DeliveryPage>
  /**
   * The next number of this gateway's announcements, from 1, or from `least` where that is more;
   * synced, so never given twice. With the wall clock as `least`, in milliseconds, it is above those
   * of a store that was lost. Open until it is closed, or until a process ends that had sealed
   * nothing under it. Rejects with OVERLOADED when ANNOUNCEMENTS_OPEN_MAX are open.
   */
  nextGwSeq(least?: number): Promise<number>
  /** Announcements whose runs are not known as closed, oldest first. */
  openAnnouncements(): readonly OpenAnnouncement[]
  /** Resolves once it is synced that the runs of these are closed, with the floor then. */
  closeAnnouncements(gwSeqs: readonly number[]): Promise<number>
  /** All numbers up to here are closed; synced, and never less than before. */
  floor(): number
  /** The witness epoch pinned to the run, if any. */
  epochOf(runId: string): Promise<number | undefined>
  /** The first one that was ever pinned to it: from there on its registers may hold something. */
  firstEpochOf(runId: string): Promise<number | undefined>
  /** Deliveries whose runs were recorded and are not known to have ended. */
  open(): readonly DeliverySummary[]
  /** Deliveries in state `waiting`, oldest first. */
  waiting(): readonly DeliverySummary[]
  /** Deliveries of one pull request, oldest first. */
  ofSubject(subject: string): readonly DeliverySummary[]
  /**
   * Pins `witnessEpoch` unless one is pinned already; resolves, once synced, with the pinned one.
   * A pin is kept as long as a delivery of its run is.
   */
  pinEpoch(runId: string, witnessEpoch: number): Promise<number>
  /** Pins another one, where the run can begin no more in the one before; synced. */
  repinEpoch(runId: string, witnessEpoch: number): Promise<void>
}

export interface InboxStoreParts {
  readonly reader: Reader
  readonly committer: Committer
}

export interface InboxStoreOptions {
  /** Deliveries kept, DELIVERIES_KEPT_MAX unless a test says otherwise. */
  readonly keptMax: number
}

interface Kept {
  /** Of its keys; ascending with arrival. */
  readonly number: number
  summary: DeliverySummary
  /** Settles with the sync of the delivery itself. */
  readonly stored: Promise<unknown>
}

/** Of fields that came later, what a record from before them means. */
const ABSENT_BEFORE = { url: '', reopenable: false, openEpoch: 0 }
type LaterField = keyof typeof ABSENT_BEFORE
type StoredSummary = Omit<DeliverySummary, LaterField> & Partial<Pick<DeliverySummary, LaterField>>

/** What a write weighs besides the delivery's own bytes. */
const WRITE_BYTES = 1_024

/** The inbox in the store's database; the summaries of all kept deliveries are in memory. */
export class LevelInboxStore implements InboxStore {
  readonly #reader: Reader
  readonly #committer: Committer
  readonly #keptMax: number
  /** By delivery key, in order of arrival. */
  readonly #kept = new Map<string, Kept>()
  readonly #pins: RunPins
  readonly #announced = new OpenAnnouncements()
  #number = 0
  #floor = 0

  private constructor(parts: InboxStoreParts, options: InboxStoreOptions) {
    this.#reader = parts.reader
    this.#committer = parts.committer
    this.#keptMax = options.keptMax
    this.#pins = new RunPins(parts.reader, (operations) => this.#commit(operations, 0))
  }

  /** Reads what is kept. Throws STORE_SUSPECT. */
  static async open(
    parts: InboxStoreParts,
    options: InboxStoreOptions = { keptMax: DELIVERIES_KEPT_MAX }
  ): Promise<LevelInboxStore> {
    const inbox = new LevelInboxStore(parts, options)
    await inbox.#load()
    return inbox
  }

  async put(delivery: Delivery): Promise<'stored' | 'known'> {
    this.#committer.check()
    const known = this.#kept.get(delivery.key)
    if (known !== undefined) {
      // Not before the first one is synced: a crash now must not leave an acknowledged nothing.
      await known.stored
      return 'known'
    }
    checkDelivery(delivery)
    const dropped = this.#makeRoom(delivery.runId)
    this.#number += 1
    const number = this.#number
    const stored = this.#write(number, delivery, dropped)
    this.#kept.set(delivery.key, { number, summary: summaryOf(delivery), stored })
    try {
      await stored
    } catch (error) {
      this.#kept.delete(delivery.key)
      throw error
    }
    return 'stored'
  }

  async get(key: string): Promise<Delivery | undefined> {
    this.#committer.check()
    const kept = this.#kept.get(key)
    return kept === undefined ? undefined : await this.#read(kept)
  }

  async byRun(runId: string): Promise<Delivery | undefined> {
    this.#committer.check()
    const found = [...this.#kept.values()].filter(({ summary }) => summary.runId === runId)
    const kept = found.find(({ summary }) => !summary.reopenable) ?? found[0]
    return kept === undefined ? undefined : await this.#read(kept)
  }

  async update(key: string, patch: DeliveryPatch): Promise<void> {
    this.#committer.check()
    const kept = this.#kept.get(key)
    if (kept === undefined) throw new MeshError('BUG', { problem: `${key} is not in the inbox` })
    const { sealed, open, ...shown } = patch
    kept.summary = { ...kept.summary, ...shown }
    const keys = deliveryKeys(kept.number)
    const operations = [putSummary(keys.summary, kept.summary)]
    if (sealed !== undefined) operations.push(putBytes(keys.sealed, sealed))
    if (open !== undefined) operations.push(this.#announced.seal(open))
    await this.#commit(operations, sealed?.length ?? 0)
  }

  async undone(limit = INTAKE_QUEUE_MAX): Promise<Delivery[]> {
    this.#committer.check()
    const open = [...this.#kept.values()].filter(({ summary }) => summary.state === 'received')
    const deliveries: Delivery[] = []
    for (const kept of open.slice(0, limit)) {
      const delivery = await this.#read(kept)
      if (delivery !== undefined) deliveries.push(delivery)
    }
    return deliveries
  }

  async list(limit: number, cursor = Infinity, isWanted: Wanted = () => true) {
    this.#committer.check()
    const kept = [...this.#kept.values()].reverse()
    const older = kept.filter((each) => each.number < cursor && isWanted(each.summary))
    const page = older.slice(0, Math.min(limit, PAGE_ROWS_MAX))
    const next = page.length < older.length ? page.at(-1)?.number : undefined
    return { deliveries: page.map(({ summary }) => summary), next }
  }

  async nextGwSeq(least = 1): Promise<number> {
    const { gwSeq, operations } = this.#announced.draw(least)
    try {
      await this.#commit(operations, 0)
      return gwSeq
    } catch (error) {
      // Refused or failed: given to nobody, so it must not hold the floor.
      this.#announced.close([gwSeq])
      throw error
    }
  }

  openAnnouncements(): readonly OpenAnnouncement[] {
    return this.#announced.list()
  }

  async closeAnnouncements(gwSeqs: readonly number[]): Promise<number> {
    const operations = this.#announced.close(gwSeqs)
    const { floor } = this.#announced
    await this.#commit(operations, WRITE_BYTES * gwSeqs.length)
    // Said to nobody before it is synced: an announcement with it may go out at once.
    this.#floor = Math.max(this.#floor, floor)
    return this.#floor
  }

  floor(): number {
    return this.#floor
  }

  epochOf(runId: string): Promise<number | undefined> {
    return this.#pins.epochOf(runId)
  }

  firstEpochOf(runId: string): Promise<number | undefined> {
    return this.#pins.firstEpochOf(runId)
  }

  open(): readonly DeliverySummary[] {
    return this.#summaries(({ openEpoch }) => openEpoch > 0)
  }

  waiting(): readonly DeliverySummary[] {
    return this.#summaries(({ state }) => state === 'waiting')
  }

  ofSubject(subject: string): readonly DeliverySummary[] {
    if (subject === '') return []
    return this.#summaries((summary) => summary.subject === subject)
  }

  #summaries(isWanted: Wanted): DeliverySummary[] {
    const found: DeliverySummary[] = []
    for (const { summary } of this.#kept.values()) if (isWanted(summary)) found.push(summary)
    return found
  }

  pinEpoch(runId: string, witnessEpoch: number): Promise<number> {
    return this.#pins.pin(runId, witnessEpoch)
  }

  repinEpoch(runId: string, witnessEpoch: number): Promise<void> {
    return this.#pins.repin(runId, witnessEpoch)
  }

  async #load(): Promise<void> {
    for await (const [key, sealed] of this.#reader.rows({ gt: 'd/', lt: behind('d/') })) {
      const number = sequenceOf(key)
      const summary = { ...ABSENT_BEFORE, ...this.#reader.unsealJson<StoredSummary>(key, sealed) }
      this.#kept.set(summary.key, { number, summary, stored: Promise.resolve() })
      this.#number = number
    }
    await this.#announced.load(this.#reader)
    this.#floor = this.#announced.floor
  }

  /** Forgets the oldest finished deliveries of a full inbox; throws OVERLOADED without one. */
  #makeRoom(comingRun: string): StoreOp[] {
    const dropped: StoreOp[] = []
    for (const [key, { number, summary }] of this.#kept) {
      if (this.#kept.size < this.#keptMax) return dropped
      // What waits for a person has been promised to it: APPROVALS_WAITING_MAX bounds it.
      if (summary.state === 'received' || summary.state === 'waiting') continue
      this.#kept.delete(key)
      const forgotten = [
        ...Object.values(deliveryKeys(number)),
        ...this.#unpinned(summary, comingRun)
      ]
      for (const each of forgotten) dropped.push({ type: 'del', key: each })
    }
    if (this.#kept.size < this.#keptMax) return dropped
    throw new MeshError('OVERLOADED', { what: 'the inbox', max: this.#keptMax })
  }

  /** Key of the pin that nobody needs once the delivery is forgotten. */
  #unpinned({ runId }: DeliverySummary, comingRun: string): string[] {
    if (runId === '' || runId === comingRun) return []
    // Another delivery of the run may still be about to announce it: under the first epoch.
    for (const { summary } of this.#kept.values()) if (summary.runId === runId) return []
    return [pinKey(runId)]
  }

  async #write(number: number, delivery: Delivery, dropped: readonly StoreOp[]): Promise<void> {
    const keys = deliveryKeys(number)
    const body = Buffer.from(delivery.body)
    const operations = [...dropped, putSummary(keys.summary, summaryOf(delivery))]
    operations.push(putBytes(keys.body, body))
    if (delivery.sealed !== undefined) operations.push(putBytes(keys.sealed, delivery.sealed))
    await this.#commit(operations, body.length + (delivery.sealed?.length ?? 0))
  }

  async #commit(operations: readonly StoreOp[], bytes: number): Promise<void> {
    await this.#committer.write({
      bytes: WRITE_BYTES + bytes,
      ready: undefined,
      plan: () => operations
    })
  }

  /** Undefined where it was forgotten meanwhile. */
  async #read(kept: Kept): Promise<Delivery | undefined> {
    await kept.stored
    const keys = deliveryKeys(kept.number)
    const [body, sealed] = await Promise.all([
      this.#reader.bytes(keys.body),
      this.#reader.bytes(keys.sealed)
    ])
    if (body === undefined) return undefined
    return { ...kept.summary, body: Buffer.from(body).toString('utf8'), sealed }
  }
}

function checkDelivery({ key, body }: Delivery): void {
  if (key === '' || key.length > STORE_NAME_CHARACTERS_MAX) {
    throw new MeshError('REQUEST_INVALID', { problem: 'the delivery has no usable id' })
  }
  if (Buffer.byteLength(body) > DELIVERY_BYTES_MAX) {
    throw new MeshError('BODY_TOO_LARGE', { max: DELIVERY_BYTES_MAX })
  }
}

function summaryOf(delivery: Delivery): DeliverySummary {
  const { key, deliveryId, repository, url, runId, receivedAtMs, state } = delivery
  const { reason, reopenable, openEpoch, subject, approvedBy } = delivery
  const came = { key, deliveryId, repository, url, runId, receivedAtMs }
  return { ...came, state, reason, reopenable, openEpoch, subject, approvedBy }
}

function putSummary(key: string, summary: DeliverySummary): StoreOp {
  return { type: 'put', key, value: sealJson(key, summary) }
}

function putBytes(key: string, bytes: Uint8Array): StoreOp {
  return { type: 'put', key, value: sealValue(key, bytes) }
}
