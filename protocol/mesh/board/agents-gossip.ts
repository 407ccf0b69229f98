import type { Advertisement } from '../../core/advertisement.ts'
import type { Board } from '../../core/board.ts'
import { codeOf } from '../../core/errors.ts'
import { ADVERTISEMENTS_BURST, ADVERTISEMENTS_PER_S_MAX, MEMBERS_MAX } from '../../core/limits.ts'
import type { Clock } from '../../core/ports.ts'
import { decodeAdvertisement, encodeAdvertisement } from '../../wire/advertisement-codec.ts'
import { TOPICS } from '../../wire/ids.ts'
import { WorkMeter } from '../bounds/work-meter.ts'
import type { MeshNode } from '../links/node.ts'
import { rolesOf } from '../members/permissions.ts'
import type { RosterView } from '../members/roster-book.ts'

export interface AgentsGossipParts {
  readonly node: Pick<MeshNode, 'publish' | 'subscribe'>
  readonly rosters: RosterView
  readonly board: Board
  readonly clock: Clock
}

/**
 * The agents topic: what each agent is and has free, on change and every 30 s. Costs each member
 * one message an agent and period, and no request; deliveries grow with the square of the mesh.
 */
export class AgentsGossip {
  readonly #parts: AgentsGossipParts
  readonly #meter: WorkMeter
  readonly #onNews: (peerId: string) => void

  /** Subscribes: before the node starts. */
  constructor(parts: AgentsGossipParts, onNews: (peerId: string) => void) {
    this.#parts = parts
    this.#onNews = onNews
    this.#meter = new WorkMeter(parts.clock, {
      unitsPerS: ADVERTISEMENTS_PER_S_MAX,
      burstUnits: ADVERTISEMENTS_BURST,
      peersMax: MEMBERS_MAX
    })
    parts.node.subscribe(TOPICS.agents, (from, bytes) => this.#hear(from, bytes))
  }

  /** Tells everybody, and our own board: gossip does not bring us our own words. */
  async advertise(advertisement: Advertisement): Promise<void> {
    this.#fold(advertisement)
    await this.#parts.node.publish(TOPICS.agents, encodeAdvertisement(advertisement))
  }

  #hear(from: string, bytes: Uint8Array): 'accept' | 'ignore' | 'reject' {
    try {
      const advertisement = decodeAdvertisement(bytes, from)
      // The publisher is proven by gossip's own signature: nobody speaks for another agent.
      if (advertisement.peerId !== from) return 'reject'
      const roster = this.#parts.rosters.current()?.roster
      if (!rolesOf(roster, from).includes('agent')) return 'ignore'
      if (!this.#meter.take(from, 1)) return 'ignore'
      this.#fold(advertisement)
      return 'accept'
    } catch (error) {
      if (codeOf(error) === undefined) throw error
      return 'reject'
    }
  }

  #fold(advertisement: Advertisement): void {
    const { board, clock } = this.#parts
    if (!board.foldAdvertisement(advertisement, clock.bootMs())) return
    this.#onNews(advertisement.peerId)
  }
}
