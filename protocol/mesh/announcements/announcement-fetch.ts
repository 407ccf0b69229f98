import { codeOf } from '../../core/errors.ts'
import { ANNOUNCEMENT_FETCHES_MAX } from '../../core/limits.ts'
import type { RequestOptions, Transport } from '../../core/ports.ts'
import type { SealedAnnouncement } from '../../core/run.ts'
import { SharedFlights } from '../bounds/shared-flights.ts'
import { type AnnouncementShelf, opened } from './announcement-shelf.ts'

/** Where bytes came from that were not in memory. */
export type FetchedFrom = 'disk' | 'peer'

export interface FetchOptions extends RequestOptions {
  /** Called for what this very call has read or asked for: not for what others wait for as well. */
  readonly onFetched?: ((from: FetchedFrom) => void) | undefined
}

type Flights = SharedFlights<SealedAnnouncement | undefined>

/** One of the ways to an announcement. */
interface Way {
  readonly flights: Flights
  readonly name: string
  readonly from: FetchedFrom
}

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
  /** Of our own disk: the first jobs of a run come together, and want the same megabyte. */
  readonly #reads: Flights = new SharedFlights()
  readonly #flights: Flights = new SharedFlights()

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
    options: FetchOptions
  ): Promise<SealedAnnouncement | undefined> {
    const held = this.#shelf.held(annHash)
    if (held !== undefined) return held
    const read = { flights: this.#reads, name: annHash, from: 'disk' } as const
    const stored = await this.#once(read, options, () => this.#shelf.find(annHash))
    if (stored !== undefined) return stored
    const { timeoutMs } = options
    // Who waits half as long must not wait for a fetch that others began.
    const name = `${annHash} ${timeoutMs}`
    const isFull = this.#flights.size >= ANNOUNCEMENT_FETCHES_MAX
    if (isFull && !this.#flights.has(name)) return undefined
    const asked = { flights: this.#flights, name, from: 'peer' } as const
    return await this.#once(asked, options, (signal) => {
      return this.#fetch(annHash, peers, { timeoutMs, signal })
    })
  }

  /** Joins what is under way, and tells of what this call began itself. */
  async #once(
    { flights, name, from }: Way,
    { signal, onFetched }: FetchOptions,
    start: (signal: AbortSignal) => Promise<SealedAnnouncement | undefined>
  ): Promise<SealedAnnouncement | undefined> {
    let hasBegun = false
    const sealed = await flights.join(name, signal, (own) => {
      hasBegun = true
      return start(own)
    })
    if (hasBegun && sealed !== undefined) onFetched?.(from)
    return sealed
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
