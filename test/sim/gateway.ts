import { BACKOFF_MS_MAX, BACKOFF_MS_MIN } from '../../protocol/core/limits.ts'
import type { Manifest, SealedAnnouncement } from '../../protocol/core/run.ts'
import type { SimFeed } from './feed.ts'
import { refOf } from './job-door.ts'
import { afterSync, laterBy, type NodeParts } from './node-parts.ts'
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
}

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

  /** Nothing waits to be recorded. */
  get isIdle(): boolean {
    return this.#active.size === 0
  }

  /** `answered` once it is stored: 202. Silent where the process ends before. */
  deliver(delivery: SimDelivery, answered: () => void): void {
    const { disk, scene, process } = this.#parts
    const { peerId: gateway } = process
    const known = disk().read(`i/${delivery.runId}`) as InboxRow | undefined
    if (known !== undefined) scene.count('gateway: delivery doubled')
    const row = known ?? { delivery, announced: this.#seal(delivery), isRecorded: false }
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

  #seal({ runId, manifest }: SimDelivery): SealedAnnouncement {
    const { scene, process } = this.#parts
    const { witnessEpoch } = scene.roster
    this.#gwSeq += 1
    const announcement = {
      runId,
      witnessEpoch,
      gateway: process.peerId,
      gwSeq: this.#gwSeq,
      issuedAtMs: Math.floor(scene.timeline.nowMs),
      notAfterMs: Number.MAX_SAFE_INTEGER,
      floor: 0,
      manifest
    }
    return sealed(announcement, scene)
  }

  #work(row: InboxRow): void {
    const { runId } = row.delivery
    if (row.isRecorded || this.#active.has(runId)) return
    this.#active.add(runId)
    this.#parts.shelf.put(row.announced)
    this.#record(row.announced, 0, (chosen) => {
      const { scene, process, disk, network } = this.#parts
      const place = placeOf(runId, scene.roster.witnessEpoch)
      scene.emit({ kind: 'shown', gateway: process.peerId, place })
      disk().put(`i/${runId}`, { ...row, isRecorded: true })
      this.#active.delete(runId)
      this.#feed.addRun(chosen)
      const { annHash } = chosen
      network.gossip(process, { kind: 'hint', register: runId, version: 1, annHash })
    })
    if (!this.equivocates) return
    this.#parts.scene.count('gateway: announced in other words')
    this.#record(this.#seal(row.delivery), 0, () => undefined)
  }

  /** Tries until a run is chosen, which may be that of another gateway. */
  #record(
    one: SealedAnnouncement,
    tries: number,
    done: (chosen: SealedAnnouncement) => void
  ): void {
    const { signer, client, scene, shelf } = this.#parts
    const { runId } = one.announcement
    const { annHash } = one
    const opId = scene.digest.text(`${runId}|create|${annHash}`).slice(0, 32)
    const op = signer.runOp(runId, opId, { kind: 'create', annHash })
    const options = { announcement: one.bytes, maybeSent: true }
    client.change(refOf(one, runId), op, options, (result) => {
      const again = (): void => {
        const maxMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(tries, 16))
        laterBy(this.#parts, maxMs, () => this.#record(one, tries + 1, done))
      }
      if (result.kind !== 'applied' && result.kind !== 'same') return again()
      if (result.value.annHash === annHash) return done(one)
      const peers = scene.witnesses(runId).map(({ peerId }) => peerId)
      // Another announcement was first: it is the run, ours is nothing (4.12.7).
      scene.count('gateway: another announcement was first')
      shelf.fetch(result.value.annHash, peers, (found) => {
        if (found === undefined) again()
        else done(found)
      })
    })
  }
}
