import { codeOf } from '../../core/errors.ts'
import { ANNOUNCEMENT_FETCHES_MAX } from '../../core/limits.ts'
import type { RequestOptions, Transport } from '../../core/ports.ts'
import type { SealedAnnouncement } from '../../core/run.ts'
import { SharedFlights } from '../bounds/shared-flights.ts'
import { type AnnouncementShelf, opened } from './announcement-shelf.ts'

export interface AnnouncementFetchParts {
  readonly transport: Transport
  readonly shelf: AnnouncementShelf
  /** Called with what a peer has sent in place of what it was asked for. */
  readonly onFalse?: ((peer: string, bytes: number) => void) | undefined
}

/**
 * Announcements by hash (GETANN), from the shelf or from the first peer that has the bytes. One
 * fetch a hash and time limit, ANNOUNCEMENT_FETCHES_MAX at a time: each may bring a megabyte.
 */
export class AnnouncementFetch {
  readonly #transport: Transport
  readonly #shelf: AnnouncementShelf
  readonly #onFalse: (peer: string, bytes: number) => void
  readonly #flights = new SharedFlights<SealedAnnouncement | undefined>()

  constructor(parts: AnnouncementFetchParts) {
    this.#transport = parts.transport
    this.#shelf = parts.shelf
    this.#onFalse = parts.onFalse ?? (() => undefined)
  }

  /**
   * Undefined when no one of `peers` has it now, or too many fetches run. `timeoutMs` is for each
   * peer. Rejects with the signal's reason.
   */
  async get(
    annHash: string,
    peers: readonly string[],
    { timeoutMs, signal }: RequestOptions
  ): Promise<SealedAnnouncement | undefined> {
    const held = await this.#shelf.find(annHash)
    if (held !== undefined) return held
    // Who waits half as long must not wait for a fetch that others began.
    const name = `${annHash} ${timeoutMs}`
    const isFull = this.#flights.size >= ANNOUNCEMENT_FETCHES_MAX
    if (isFull && !this.#flights.has(name)) return undefined
    return await this.#flights.join(name, signal, (own) => {
      return this.#fetch(annHash, peers, { timeoutMs, signal: own })
    })
  }

  async #fetch(
    annHash: string,
    peers: readonly string[],
    options: RequestOptions
  ): Promise<SealedAnnouncement | undefined> {
    for (const peer of new Set(peers)) {
      options.signal?.throwIfAborted()
      if (peer === this.#transport.peerId) continue
      const sealed = await this.#ask(peer, annHash, options)
      if (sealed === undefined) continue
      this.#shelf.put(sealed)
      return sealed
    }
    return undefined
  }

  async #ask(
    peer: string,
    annHash: string,
    options: RequestOptions
  ): Promise<SealedAnnouncement | undefined> {
    try {
      const reply = await this.#transport.request(peer, { kind: 'announcement', annHash }, options)
      if (reply.kind !== 'announcement' || reply.bytes === undefined) return undefined
      // A hash names its bytes: whoever sends others is only unhelpful.
      const sealed = opened(reply.bytes, annHash)
      if (sealed === undefined) this.#onFalse(peer, reply.bytes.byteLength)
      return sealed
    } catch (error) {
      if (codeOf(error) === undefined) throw error
      return undefined
    }
  }
}
