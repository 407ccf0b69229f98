import { ANNOUNCED_NUMBERS_MAX } from '../../core/equivocation-limits.ts'
import type { SealedAnnouncement } from '../../core/run.ts'
import type { Background } from '../bounds/background.ts'
import { Lru } from '../bounds/lru.ts'
import type { Equivocations } from '../members/equivocations.ts'
import type { AnnouncementShelf } from './announcement-shelf.ts'

export interface AnnouncedNumbersParts {
  readonly shelf: Pick<AnnouncementShelf, 'find'>
  readonly equivocations: Pick<Equivocations, 'hear'>
  readonly background: Pick<Background, 'run'>
}

/**
 * Under which numbers gateways have announced. Two announcements under one are a contradiction: a
 * floor at that number closes both runs, and one of them may still be open.
 */
export class AnnouncedNumbers {
  readonly #parts: AnnouncedNumbersParts
  /** The hash of the first announcement that was seen. */
  readonly #firsts = new Lru<string, string>(ANNOUNCED_NUMBERS_MAX)

  constructor(parts: AnnouncedNumbersParts) {
    this.#parts = parts
  }

  /** For an announcement that was opened: signed by the gateway that it names. */
  hear(second: SealedAnnouncement): void {
    const { gateway: peer, gwSeq } = second.announcement
    const number = `${peer} ${gwSeq}`
    const firstHash = this.#firsts.get(number)
    if (firstHash === undefined) this.#firsts.set(number, second.annHash)
    if (firstHash === undefined || firstHash === second.annHash) return
    this.#parts.background.run('equivocation', async () => {
      const first = await this.#parts.shelf.find(firstHash)
      if (first === undefined) return
      this.#parts.equivocations.hear({ kind: 'announcements', peer, first, second })
    })
  }
}
