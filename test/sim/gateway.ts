import { type EpochSight, epochsToSeal, mayBeginIn } from '../../protocol/core/epochs.ts'
import { floorOver, isRedeliveryOver } from '../../protocol/core/floor.ts'
import { isTerminal } from '../../protocol/core/job.ts'
import {
  ANNOUNCEMENT_CLOCK_MS_MAX,
  BACKOFF_MS_MAX,
  BACKOFF_MS_MIN
} from '../../protocol/core/limits.ts'
import { REDELIVERY_MS } from '../../protocol/core/retention-limits.ts'
import type { Manifest, SealedAnnouncement } from '../../protocol/core/run.ts'
import { isSealed } from '../../protocol/core/run-reducer.ts'
import type { Ref } from './client.ts'
import type { SimFeed } from './feed.ts'
import { refOf } from './job-door.ts'
import { afterSync, laterBy, type NodeParts } from './node-parts.ts'
import { KEPT_MS } from './retention.ts'
import { placeOf } from './scene.ts'
import { sealed } from './shelf.ts'

/** One webhook call; `runId` is made of what was pushed, `id` is the call's own. */
export interface SimDelivery {
  readonly id: string
  readonly runId: string
  readonly manifest: Manifest
}

interface InboxRow {
  readonly delivery: SimDelivery
  readonly announced: SealedAnnouncement
  readonly isRecorded: boolean
  /** The witness epoch that it was first announced in: the run may have begun there. */
  readonly fromEpoch: number
}

/** A number that an announcement has. */
interface DrawnRow {
  readonly gwSeq: number
  readonly runId: string
  readonly issuedAtMs: number
}

/** Of the wall clock, so that nobody sends a push again after a few seconds instead of days. */
const FORGOTTEN_MS = REDELIVERY_MS + ANNOUNCEMENT_CLOCK_MS_MAX - KEPT_MS

/**
 * From a delivery to a chosen run: stored with a sync, answered, recorded on a majority. A
 * restarted gateway goes on with what its inbox has.
 */
export class SimGateway {
  readonly #parts: NodeParts
  readonly #feed: SimFeed
  #active = new Set<string>()
  #gwSeq = 0
  /** Announces each delivery once more, in other words. */
  equivocates = false

  constructor(parts: NodeParts, feed: SimFeed) {
    this.#parts = parts
    this.#feed = feed
    parts.process.onCrash(() => {
      this.#active = new Set()
    })
    parts.process.onStart(() => this.#resume())
  }

  /** Nothing waits to be recorded, but for runs of which nobody can tell now. */
  isIdle(isExcused: (runId: string) => boolean): boolean {
    return [...this.#active].every(isExcused)
  }

  /** `answered` once it is stored: 202. Silent where the process ends before. */
  deliver(delivery: SimDelivery, answered: () => void): void {
    const { disk, scene, process, rosters } = this.#parts
    const { peerId: gateway } = process
    const known = disk().read(`i/${delivery.runId}`) as InboxRow | undefined
    if (known !== undefined) scene.count('gateway: delivery doubled')
    const { witnessEpoch: fromEpoch } = rosters.current
    const fresh = { delivery, isRecorded: false, fromEpoch }
    const row = known ?? { ...fresh, announced: this.#seal(delivery) }
    const seq = disk().put(`i/${delivery.runId}`, row)
    afterSync(this.#parts, seq, () => {
      scene.emit({ kind: 'inboxed', gateway, delivery: delivery.id })
      scene.emit({ kind: 'received', gateway, delivery: delivery.id })
      answered()
      this.#work(row)
    })
  }

  #resume(): void {
    const { disk } = this.#parts
    for (const key of disk().keys('i/')) {
      const row = disk().read(key) as InboxRow
      this.#gwSeq = Math.max(this.#gwSeq, row.announced.announcement.gwSeq)
      if (!row.isRecorded) this.#work(row)
    }
  }

  /** Every number up to it is closed: its run has ended, by our board or by word of a quorum. */
  #floor(): number {
    const { disk, process, board } = this.#parts
    const rows = disk()
      .keys('n/')
      .map((key) => disk().read(key) as DrawnRow)
    const open = rows.filter(({ runId, issuedAtMs }) => {
      const jobs = board().jobsOf(runId)
      const hasEnded =
        jobs.length > 0 &&
        jobs.every(({ state }) => state !== undefined && isTerminal(state.phase)) &&
        isRedeliveryOver(issuedAtMs, process.wallMs + FORGOTTEN_MS)
      if (hasEnded) disk().put(`e/${runId}`, true)
      return !hasEnded && disk().read(`e/${runId}`) === undefined
    })
    const said = (disk().read('floor') as number | undefined) ?? 0
    const drawn = Math.max(0, ...rows.map(({ gwSeq }) => gwSeq))
    const floor = floorOver(
      said,
      drawn,
      open.map(({ gwSeq }) => gwSeq)
    )
    disk().put('floor', floor)
    return floor
  }

  #seal({ runId, manifest }: SimDelivery): SealedAnnouncement {
    const { scene, process, rosters } = this.#parts
    const { witnessEpoch } = rosters.current
    const floor = this.#floor()
    this.#gwSeq += 1
    const issuedAtMs = Math.floor(process.wallMs)
    // Before anybody hears of it: a number that nobody remembers would never be closed.
    const drawn: DrawnRow = { gwSeq: this.#gwSeq, runId, issuedAtMs }
    this.#parts.disk().put(`n/${this.#gwSeq}`, drawn)
    const announcement = {
      runId,
      witnessEpoch,
      gateway: process.peerId,
      gwSeq: this.#gwSeq,
      issuedAtMs,
      notAfterMs: Number.MAX_SAFE_INTEGER,
      floor,
      manifest
    }
    return sealed(announcement, scene)
  }

  #work(row: InboxRow): void {
    const { runId } = row.delivery
    if (row.isRecorded || this.#active.has(runId)) return
    this.#active.add(runId)
    this.#parts.shelf.put(row.announced)
    this.#record(row, 0, (chosen) => {
      const { scene, process, disk, network } = this.#parts
      if (chosen === 'gone') {
        // It has ended, and is not run again.
        scene.count('gateway: delivery of a dropped run')
        disk().put(`i/${runId}`, { ...row, isRecorded: true })
        this.#active.delete(runId)
        return
      }
      const { annHash, announcement } = chosen
      const { witnessEpoch } = announcement
      const place = placeOf(runId, witnessEpoch)
      scene.emit({ kind: 'shown', gateway: process.peerId, place, annHash })
      disk().put(`i/${runId}`, { ...row, isRecorded: true })
      this.#active.delete(runId)
      this.#feed.addRun(chosen)
      network.gossip(process, { kind: 'hint', register: runId, witnessEpoch, version: 1, annHash })
    })
    if (!this.equivocates) return
    this.#parts.scene.count('gateway: announced in other words')
    this.#record({ ...row, announced: this.#seal(row.delivery) }, 0, () => undefined)
  }

  /** Tries until a run is chosen, which may be that of another gateway, or of an earlier epoch. */
  #record(row: InboxRow, tries: number, done: (chosen: SealedAnnouncement | 'gone') => void): void {
    const again = (next: InboxRow = row): void => {
      const maxMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(tries, 16))
      laterBy(this.#parts, maxMs, () => this.#record(next, tries + 1, done))
    }
    const one = row.announced
    const { witnessEpoch } = one.announcement
    const epochs = epochsToSeal(witnessEpoch, this.#sight(), row.fromEpoch)
    this.#sealAll(one, epochs, (found) => {
      if (found === 'unknown') again()
      else if (found !== 'sealed') done(found)
      // Asked again after the seals, which may have waited for long.
      else if (!mayBeginIn(witnessEpoch, this.#sight())) again(this.#announcedAnew(row))
      else this.#create(one, (made) => this.#made(row, made, again, done))
    })
  }

  #made(
    row: InboxRow,
    made: Made,
    again: (next?: InboxRow) => void,
    done: (chosen: SealedAnnouncement | 'gone') => void
  ): void {
    if (made === 'superseded') again(this.#announcedAnew(row))
    else if (made === 'unknown') again()
    else done(made)
  }

  /** In the present epoch: nobody may begin the run any more where it was announced. */
  #announcedAnew(row: InboxRow): InboxRow {
    const { scene, rosters, shelf, disk } = this.#parts
    const { runId } = row.delivery
    if (rosters.current.witnessEpoch <= row.announced.announcement.witnessEpoch) return row
    scene.count('gateway: announced in a later epoch')
    const next = { ...row, announced: this.#seal(row.delivery) }
    shelf.put(next.announced)
    disk().put(`i/${runId}`, next)
    return next
  }

  #sight(): EpochSight {
    const { rosters, process } = this.#parts
    return { current: rosters.current, at: (epoch) => rosters.at(epoch), wallMs: process.wallMs }
  }

  /** Ascending, each before the next one: a run in one of them would be a second one (4.12.4). */
  #sealAll(
    one: SealedAnnouncement,
    [epoch, ...others]: readonly number[],
    done: (found: SealedAnnouncement | 'sealed' | 'unknown' | 'gone') => void
  ): void {
    if (epoch === undefined) {
      done('sealed')
      return
    }
    const { scene, signer, client } = this.#parts
    const { runId, witnessEpoch } = one.announcement
    const opId = scene.digest.text(`${runId}|seal|${epoch}|${witnessEpoch}`).slice(0, 32)
    const op = signer.runOp(runId, opId, { kind: 'seal', witnessEpoch })
    const ref = { ...refOf(one, runId), witnessEpoch: epoch }
    client.change(ref, op, { maybeSent: true }, (result) => {
      const isGone = result.kind === 'rejected' && result.reason === 'gone'
      const value = result.kind === 'unresolved' ? undefined : result.value
      if (isGone) done('gone')
      else if (value === undefined) done('unknown')
      else if (isSealed(value)) this.#sealAll(one, others, done)
      else {
        scene.count('gateway: run found in an earlier epoch')
        this.#found(ref, value.annHash, done)
      }
    })
  }

  #create(one: SealedAnnouncement, done: (made: Made) => void): void {
    const { signer, client, scene } = this.#parts
    const { runId } = one.announcement
    const { annHash } = one
    const opId = scene.digest.text(`${runId}|create|${annHash}`).slice(0, 32)
    const op = signer.runOp(runId, opId, { kind: 'create', annHash })
    const options = { announcement: one.bytes, maybeSent: true }
    const ref = refOf(one, runId)
    client.change(ref, op, options, (result) => {
      if (result.kind === 'rejected' && result.reason === 'gone') return done('gone')
      if (result.kind !== 'applied' && result.kind !== 'same') return done('unknown')
      // Another gateway knows a later epoch, and the run begins there.
      if (isSealed(result.value)) return done('superseded')
      if (result.value.annHash === annHash) return done(one)
      // Another announcement was first: it is the run, ours is nothing (4.12.7).
      scene.count('gateway: another announcement was first')
      this.#found(ref, result.value.annHash, done)
    })
  }

  #found(
    { register, witnessEpoch }: Ref,
    annHash: string,
    done: (found: SealedAnnouncement | 'unknown') => void
  ): void {
    const { scene, shelf } = this.#parts
    const peers = scene.witnesses(register, witnessEpoch).map(({ peerId }) => peerId)
    shelf.fetch(annHash, peers, (found) => done(found ?? 'unknown'))
  }
}

/** What came of a create: the run, or why there is none. */
type Made = SealedAnnouncement | 'superseded' | 'unknown' | 'gone'
