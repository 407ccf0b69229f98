import { codeOf } from '../../core/errors.ts'
import {
  ANNOUNCEMENT_CLOCK_MS_MAX,
  GOSSIP_MANIFEST_BYTES_MAX,
  HINTS_BURST,
  HINTS_PER_S_MAX,
  MEMBERS_MAX
} from '../../core/limits.ts'
import type { Hint } from '../../core/messages.ts'
import type { Clock } from '../../core/ports.ts'
import type { SealedAnnouncement } from '../../core/run.ts'
import { openAnnouncement } from '../../wire/announcement.ts'
import { decodeJobsMessage, encodeJobsMessage, type JobsMessage } from '../../wire/hint-codec.ts'
import { TOPICS } from '../../wire/ids.ts'
import type { AnnouncementShelf } from '../announcements/announcement-shelf.ts'
import { WorkMeter } from '../bounds/work-meter.ts'
import type { MeshNode } from '../links/node.ts'
import { rolesOf } from '../members/permissions.ts'
import type { RosterView } from '../members/roster-book.ts'
import type { WitnessSets } from '../members/witness-sets.ts'
import type { BoardFeed } from './board-feed.ts'

export interface JobsGossipParts {
  readonly node: Pick<MeshNode, 'publish' | 'subscribe'>
  readonly rosters: RosterView
  readonly sets: WitnessSets
  readonly feed: Pick<BoardFeed, 'want'>
  readonly shelf: AnnouncementShelf
  readonly clock: Clock
}

type Verdict = 'accept' | 'ignore' | 'reject'

/**
 * The jobs topic: announcements, or hints which register to read. A member that hears one costs the
 * run's or job's witnesses one read, so each publisher has a purse of HINTS_PER_S_MAX a second;
 * what is dropped here, anti-entropy brings.
 */
export class JobsGossip {
  readonly #parts: JobsGossipParts
  readonly #meter: WorkMeter

  /** Subscribes: before the node starts. */
  constructor(parts: JobsGossipParts) {
    this.#parts = parts
    this.#meter = new WorkMeter(parts.clock, {
      unitsPerS: HINTS_PER_S_MAX,
      burstUnits: HINTS_BURST,
      peersMax: MEMBERS_MAX
    })
    parts.node.subscribe(TOPICS.jobs, (from, bytes) => this.#hear(from, bytes))
  }

  /**
   * The whole announcement where gossip takes it, else a hint; `repeat` differs from time to time.
   */
  async announce(sealed: SealedAnnouncement, repeat = 0): Promise<void> {
    const { runId, witnessEpoch } = sealed.announcement
    if (sealed.bytes.byteLength > GOSSIP_MANIFEST_BYTES_MAX) {
      return await this.hint({ register: runId, witnessEpoch, version: 1 }, repeat)
    }
    await this.#publish({ kind: 'announcement', bytes: sealed.bytes, repeat })
  }

  async hint(hint: Hint, repeat = 0): Promise<void> {
    await this.#publish({ kind: 'hint', hint, repeat })
  }

  async #publish(message: JobsMessage): Promise<void> {
    await this.#parts.node.publish(TOPICS.jobs, encodeJobsMessage(message))
  }

  #hear(from: string, bytes: Uint8Array): Verdict {
    try {
      const message = decodeJobsMessage(bytes, from)
      if (!this.#meter.take(from, 1)) return 'ignore'
      return message.kind === 'hint'
        ? this.#hearHint(from, message.hint)
        : this.#hearAnnouncement(from, message.bytes)
    } catch (error) {
      if (codeOf(error) === undefined) throw error
      // No honest member publishes what does not decode or carries a false signature.
      return 'reject'
    }
  }

  #hearAnnouncement(from: string, bytes: Uint8Array): Verdict {
    const sealed = openAnnouncement(bytes)
    const { runId, witnessEpoch, gateway, issuedAtMs, notAfterMs } = sealed.announcement
    const { sets, rosters, clock, shelf, feed } = this.#parts
    const set = sets.of(runId, witnessEpoch)
    // The publisher may know a roster that we do not: no proof of ill will.
    if (set === undefined) return 'ignore'
    const current = rosters.current()?.roster
    const isGateway = [set.roster, current].some((roster) => {
      return rolesOf(roster, gateway).includes('gateway')
    })
    const wallMs = clock.wallMs()
    const isCurrent =
      wallMs <= notAfterMs + ANNOUNCEMENT_CLOCK_MS_MAX &&
      wallMs >= issuedAtMs - ANNOUNCEMENT_CLOCK_MS_MAX
    if (!isGateway || !isCurrent) return 'ignore'
    shelf.put(sealed)
    const told = { annHash: sealed.annHash, peers: [from], source: 'gossip', tries: 0 } as const
    feed.want({ register: runId, witnessEpoch, version: 1, ...told })
    return 'accept'
  }

  #hearHint(from: string, hint: Hint): Verdict {
    // Of an epoch without a roster nothing can be read: not worth a place in the queue.
    if (this.#parts.sets.of(hint.register, hint.witnessEpoch) === undefined) return 'ignore'
    const told = { annHash: undefined, peers: [from], source: 'gossip', tries: 0 } as const
    this.#parts.feed.want({ ...hint, ...told })
    return 'accept'
  }
}
