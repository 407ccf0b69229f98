import { ANNOUNCED_NUMBERS_MAX } from '../../core/equivocation-limits.ts'
import type { SealedAnnouncement } from '../../core/run.ts'
import { contentHashOf } from '../../wire/announcement.ts'
import type { Background } from '../bounds/background.ts'
import { Lru } from '../bounds/lru.ts'
import type { Equivocations } from '../members/equivocations.ts'
import type { AnnouncementShelf } from './announcement-shelf.ts'

export interface AnnouncedNumbersParts {
  readonly shelf: Pick<AnnouncementShelf, 'find'>
  readonly equivocations: Pick<Equivocations, 'mayTry' | 'prove'>
  readonly background: Pick<Background, 'run'>
}

interface Announced {
  readonly annHash: string
  /** The same for one that was signed anew. */
  readonly contentHash: string
}

/**
 * Under which numbers gateways have announced. Two announcements under one are a contradiction: a
 * floor at that number closes both runs, and one of them may still be open.
 */
export class AnnouncedNumbers {
  readonly #parts: AnnouncedNumbersParts
  /** The first announcement that was seen, and can still be shown. */
  readonly #firsts = new Lru<string, Announced>(ANNOUNCED_NUMBERS_MAX)

  constructor(parts: AnnouncedNumbersParts) {
    this.#parts = parts
  }

  /** For an announcement that was opened: signed by the gateway that it names. */
  hear(second: SealedAnnouncement): void {
    const { annHash, announcement } = second
    const number = `${announcement.gateway} ${announcement.gwSeq}`
    const first = this.#firsts.get(number)
    if (first?.annHash === annHash) return
    const contentHash = contentHashOf(announcement)
    if (first === undefined) this.#firsts.set(number, { annHash, contentHash })
    // Signed anew is no contradiction, and must not spend what one would be tried with.
    if (first === undefined || first.contentHash === contentHash) return
    this.#parts.background.run('equivocation', () => this.#compare(first, second, contentHash))
  }

  async #compare(
    { annHash }: Announced,
    second: SealedAnnouncement,
    contentHash: string
  ): Promise<void> {
    const { shelf, equivocations } = this.#parts
    const { gateway: peer, gwSeq } = second.announcement
    // Before the disk is read: anybody could else have it read as often as it announces.
    if (!equivocations.mayTry('announcements', peer, `${gwSeq} ${contentHash}`)) return
    const first = await shelf.find(annHash)
    if (first !== undefined) {
      equivocations.prove({ kind: 'announcements', peer, first, second })
      return
    }
    // What nobody can show any more proves nothing: the next one is held against this one.
    this.#firsts.set(`${peer} ${gwSeq}`, { annHash: second.annHash, contentHash })
  }
}
