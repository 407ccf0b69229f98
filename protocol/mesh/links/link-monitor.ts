import { causeOf } from '../../core/errors.ts'
import {
  DIALS_PARALLEL_MAX,
  PING_EVERY_MS,
  PING_MS_MAX,
  PINGS_MISSED_MAX
} from '../../core/limits.ts'
import type { Clock } from '../../core/ports.ts'
import type { Log } from '../../host/log.ts'
import type { Link, LinkedConnection, Links } from './links.ts'
import { roundTrip } from './round-trip.ts'

export interface LinkMonitorParts {
  readonly links: Links
  readonly clock: Clock
  readonly log: Log
  readonly gossip: boolean
}

/**
 * Looks after living connections: measures their round trips, cuts the silent ones, and ends those
 * whose peer's entry in the roster ran out meanwhile.
 */
export class LinkMonitor {
  readonly #parts: LinkMonitorParts
  #disarm: (() => void) | undefined
  #round: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(parts: LinkMonitorParts) {
    this.#parts = parts
  }

  start(): void {
    this.#disarm = this.#parts.clock.arm(PING_EVERY_MS, () => {
      this.#round = this.#look()
    })
  }

  /** The caller closes the connections, which ends pings that still run. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#disarm?.()
    await this.#round
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    this.#parts.links.enforce()
    const links = this.#parts.links.all()
    if (this.#parts.gossip) for (const link of links) this.#watchGossip(link)
    const connections = links.flatMap((link) => link.connections)
    const next = connections.values()
    // A few at a time: a thousand streams opened in one turn would stall this host's own answers.
    const worker = async (): Promise<void> => {
      for (const linked of next) await this.ping(linked)
    }
    await Promise.all(Array.from({ length: DIALS_PARALLEL_MAX }, worker))
    if (!this.#stopped) this.start()
  }

  /** Never rejects. */
  async ping(linked: LinkedConnection): Promise<void> {
    const { connection } = linked
    if (this.#stopped || connection.status !== 'open') return
    try {
      linked.rttMs = await roundTrip(connection, this.#parts.clock, PING_MS_MAX)
      linked.pingsMissed = 0
    } catch (error) {
      linked.pingsMissed += 1
      const peer = connection.remotePeer.toString()
      const facts = { peer, missed: linked.pingsMissed, cause: causeOf(error) }
      this.#parts.log.debug(facts, 'ping missed')
      // One missed ping is a busy host (js-libp2p #3463: up to 62 disconnects an hour); several are
      // a dead one, which TCP alone would notice only after minutes.
      if (linked.pingsMissed >= PINGS_MISSED_MAX) connection.abort(new Error('silent peer'))
    }
  }

  /** Gossip does not re-open its stream on a living connection (lease-protocol 6.2 item 5). */
  #watchGossip(link: Link): void {
    const speaks = link.connections.some(({ connection }) =>
      connection.streams.some(
        ({ direction, protocol }) => direction === 'outbound' && protocol.startsWith('/meshsub/')
      )
    )
    if (link.gossiped && !speaks) {
      this.#parts.log.info({ peer: link.peerId }, 'gossip stream lost, link renewed')
      this.#parts.links.renew(link)
    }
    link.gossiped ||= speaks
  }
}
