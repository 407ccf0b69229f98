import { codeOf } from '../../core/errors.ts'
import { ANNOUNCEMENT_SHELF_BYTES_MAX } from '../../core/limits.ts'
import type { WitnessStore } from '../../core/ports.ts'
import type { SealedAnnouncement } from '../../core/run.ts'
import { openAnnouncement } from '../../wire/announcement.ts'
import { Lru } from '../bounds/lru.ts'

export interface AnnouncementShelfOptions {
  readonly bytesMax?: number | undefined
  /** Called for each that was not here. */
  readonly onPut?: ((sealed: SealedAnnouncement) => void) | undefined
}

/**
 * Announcements at hand: the latest in memory, up to a number of bytes, and those in our own store.
 */
export class AnnouncementShelf {
  readonly #store: Pick<WitnessStore, 'announcement'>
  readonly #bytesMax: number
  readonly #onPut: (sealed: SealedAnnouncement) => void
  readonly #held = new Lru<string, SealedAnnouncement>(Number.POSITIVE_INFINITY)
  #bytes = 0

  constructor(store: Pick<WitnessStore, 'announcement'>, options: AnnouncementShelfOptions = {}) {
    this.#store = store
    this.#bytesMax = options.bytesMax ?? ANNOUNCEMENT_SHELF_BYTES_MAX
    this.#onPut = options.onPut ?? (() => undefined)
  }

  put(sealed: SealedAnnouncement): void {
    if (this.#held.has(sealed.annHash)) return
    this.#held.set(sealed.annHash, sealed)
    this.#bytes += sealed.bytes.byteLength
    this.#onPut(sealed)
    while (this.#bytes > this.#bytesMax) {
      const gone = this.#held.evict()
      if (gone === undefined) return
      this.#bytes -= gone[1].bytes.byteLength
    }
  }

  /** From memory alone: nothing is read. */
  held(annHash: string): SealedAnnouncement | undefined {
    return this.#held.get(annHash)
  }

  /** From memory, else from our own store. Rejects with STORE_FAILED. */
  async find(annHash: string): Promise<SealedAnnouncement | undefined> {
    const held = this.held(annHash)
    if (held !== undefined) return held
    const bytes = await this.#store.announcement(annHash)
    const sealed = bytes === undefined ? undefined : opened(bytes, annHash)
    if (sealed !== undefined) this.put(sealed)
    return sealed
  }
}

/**
 * The announcement in `bytes` if it is the one of that hash; undefined for any other or a forged
 * one.
 */
export function opened(bytes: Uint8Array, annHash: string): SealedAnnouncement | undefined {
  try {
    const sealed = openAnnouncement(bytes)
    return sealed.annHash === annHash ? sealed : undefined
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return undefined
  }
}
