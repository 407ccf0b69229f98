import type { RegisterValue } from '../../protocol/core/messages.ts'
import type { Roster } from '../../protocol/core/roster.ts'
import type { Announcement, SealedAnnouncement } from '../../protocol/core/run.ts'
import { AnnouncementTerms } from '../../protocol/mesh/announcements/announcement-terms.ts'
import { canonical } from '../support/plain-digest.ts'
import type { Disk } from './disk.ts'
import type { Network } from './network.ts'
import type { SimProcess } from './process.ts'
import type { Scene } from './scene.ts'

/** An announcement as bytes, without the wire room. */
export function sealed(announcement: Announcement, scene: Scene): SealedAnnouncement {
  const text = canonical(announcement)
  return { announcement, annHash: scene.digest.text(text), bytes: new TextEncoder().encode(text) }
}

interface ShelfParts {
  readonly scene: Scene
  readonly process: SimProcess
  readonly disk: () => Disk
  readonly network: Network
}

/** Announcements at hand: in memory, on the disk, or asked of others. */
export class Shelf {
  readonly #parts: ShelfParts
  #known = new Map<string, SealedAnnouncement>()
  #terms = new AnnouncementTerms()
  /** Told of each announcement that was opened here. */
  onPut: (announcement: Announcement) => void = () => undefined

  constructor(parts: ShelfParts) {
    this.#parts = parts
    parts.process.onCrash(() => {
      this.#known = new Map()
      this.#terms = new AnnouncementTerms()
    })
  }

  find(annHash: string): SealedAnnouncement | undefined {
    const known = this.#known.get(annHash)
    if (known !== undefined) return known
    const kept = this.#parts.disk().read(`a/${annHash}`) as SealedAnnouncement | undefined
    if (kept !== undefined) this.put(kept)
    return kept
  }

  put(one: SealedAnnouncement): void {
    if (this.#known.has(one.annHash)) return
    this.#known.set(one.annHash, one)
    this.#terms.learn(one)
    this.onPut(one.announcement)
  }

  /** Only bytes of that very hash are taken. */
  open(bytes: Uint8Array, annHash: string): SealedAnnouncement | undefined {
    const text = new TextDecoder().decode(bytes)
    if (this.#parts.scene.digest.text(text) !== annHash) return undefined
    const one = { announcement: JSON.parse(text) as Announcement, annHash, bytes }
    this.put(one)
    return one
  }

  /** In the batch of the value that it belongs to. */
  store(annHash: string): void {
    const disk = this.#parts.disk()
    const known = this.#known.get(annHash)
    if (known !== undefined && disk.read(`a/${annHash}`) === undefined) {
      disk.put(`a/${annHash}`, known)
    }
  }

  problem(value: RegisterValue, roster: Roster): string | undefined {
    return this.#terms.problem(value, roster)
  }

  /** Asks all of `peers`; the first bytes of that hash count, undefined where none come in time. */
  fetch(
    annHash: string,
    peers: readonly string[],
    done: (one: SealedAnnouncement | undefined) => void
  ): void {
    const here = this.find(annHash)
    if (here !== undefined) {
      done(here)
      return
    }
    const { network, process, scene } = this.#parts
    const asked = [...new Set(peers)].filter((peer) => peer !== process.peerId)
    let open = asked.length
    let isOver = false
    const end = (one: SealedAnnouncement | undefined): void => {
      if (isOver) return
      isOver = true
      done(one)
    }
    if (open === 0) {
      end(undefined)
      return
    }
    const timeoutMs = scene.profile.requestTimeoutMs / 2
    for (const peer of asked) {
      network.request(process, peer, { kind: 'announcement', annHash }, timeoutMs, (reply) => {
        open -= 1
        const bytes = reply?.kind === 'announcement' ? reply.bytes : undefined
        const one = bytes === undefined ? undefined : this.open(bytes, annHash)
        if (one !== undefined) end(one)
        else if (open <= 0) end(undefined)
      })
    }
  }
}
