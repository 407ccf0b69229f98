import type { Connection } from '@libp2p/interface'
import { causeOf } from '../../core/errors.ts'
import { GUEST_MS_MAX, GUESTS_MAX } from '../../core/join-limits.ts'
import { STRANGER_MS_MAX, STRANGERS_MAX } from '../../core/limits.ts'
import type { Clock } from '../../core/ports.ts'
import type { Log } from '../../host/log.ts'
import type { Admission, Standing } from '../members/admission.ts'
import type { ConnectionCounts } from './gater.ts'

export interface PeerLink {
  readonly peerId: string
  /** Multiaddr of the other end as this connection sees it, without /p2p. */
  readonly address: string
  /** Milliseconds of the last answered ping; undefined before the first. */
  readonly rttMs: number | undefined
  /** Wall clock at which the oldest living connection opened. */
  readonly sinceMs: number
}

export interface LinkEvent {
  readonly kind: 'up' | 'down'
  readonly peerId: string
}

export interface LinksParts {
  readonly admission: Admission
  readonly clock: Clock
  readonly log: Log
}

/** One connection with what is known of it. */
export interface LinkedConnection {
  readonly connection: Connection
  readonly openedMs: number
  rttMs: number | undefined
  pingsMissed: number
}

export interface Link {
  readonly peerId: string
  /** What the peer is allowed on this link. */
  standing: Standing
  readonly connections: LinkedConnection[]
  /** True once gossip had a stream on this link: from then on its absence is a fault. */
  gossiped: boolean
}

type StrangerStanding = Extract<Standing, 'roster_only' | 'guest'>

/** One stranger's connection, with what ends its time. */
interface Stay {
  readonly standing: StrangerStanding
  readonly cancel: () => void
}

interface StayRule {
  readonly max: number
  readonly ms: number
  readonly cause: string
}

const STRANGERS: Readonly<Record<StrangerStanding, StayRule>> = {
  roster_only: { max: STRANGERS_MAX, ms: STRANGER_MS_MAX, cause: 'it brought no valid roster' },
  guest: { max: GUESTS_MAX, ms: GUEST_MS_MAX, cause: 'it did not join' }
}

function isStranger(standing: Standing): standing is StrangerStanding {
  return Object.hasOwn(STRANGERS, standing)
}

/** The connections of this node by peer; a link is all connections to one peer. */
export class Links implements ConnectionCounts {
  readonly #parts: LinksParts
  readonly #links = new Map<string, Link>()
  readonly #listeners = new Set<(event: LinkEvent) => void>()
  /** Connections of strangers, the oldest first. */
  readonly #strangers = new Map<Connection, Stay>()

  constructor(parts: LinksParts) {
    this.#parts = parts
  }

  /** Undefined where the connection is cut at once. */
  opened(connection: Connection): LinkedConnection | undefined {
    const peerId = connection.remotePeer.toString()
    const standing = this.#parts.admission.ofNewcomer(peerId)
    // The roster may have changed between the gater's look and now.
    if (standing === 'none') {
      connection.abort(new Error('not a member'))
      return undefined
    }
    // Closed before this event was told: its close event came first, or never will.
    if (connection.status !== 'open') return undefined
    const { clock } = this.#parts
    const openedMs = clock.wallMs()
    const linked: LinkedConnection = { connection, openedMs, rttMs: undefined, pingsMissed: 0 }
    if (isStranger(standing)) this.#receive(connection, standing)
    const link = this.#links.get(peerId)
    if (link !== undefined) {
      link.connections.push(linked)
      return linked
    }
    this.#links.set(peerId, { peerId, standing, connections: [linked], gossiped: false })
    if (standing === 'member') this.#tell({ kind: 'up', peerId })
    return linked
  }

  closed(connection: Connection): void {
    this.#settle(connection)
    const peerId = connection.remotePeer.toString()
    const link = this.#links.get(peerId)
    const at = link?.connections.findIndex((linked) => linked.connection === connection) ?? -1
    if (link === undefined || at < 0) return
    link.connections.splice(at, 1)
    if (link.connections.length > 0) return
    this.#links.delete(peerId)
    if (link.standing === 'member') this.#tell({ kind: 'down', peerId })
  }

  /** The oldest open connection: all streams of a peer stay on one while it lives. */
  connection(peerId: string): Connection | undefined {
    const linked = this.#links
      .get(peerId)
      ?.connections.find(({ connection }) => connection.status === 'open')
    return linked?.connection
  }

  /** Where the peer's oldest open connection comes from, or leads to. */
  address(peerId: string): string | undefined {
    const connection = this.connection(peerId)
    return connection === undefined ? undefined : addressOf(connection)
  }

  of(peerId: string): number {
    return this.#links.get(peerId)?.connections.length ?? 0
  }

  all(): readonly Link[] {
    return [...this.#links.values()]
  }

  list(): readonly PeerLink[] {
    return this.all().flatMap((link) => {
      const [oldest] = link.connections
      if (oldest === undefined || link.standing !== 'member') return []
      const rtts = link.connections.flatMap(({ rttMs }) => (rttMs === undefined ? [] : [rttMs]))
      return [
        {
          peerId: link.peerId,
          address: addressOf(oldest.connection),
          rttMs: rtts.length === 0 ? undefined : Math.min(...rtts),
          sinceMs: oldest.openedMs
        }
      ]
    })
  }

  onLink(listener: (event: LinkEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Brings every link to what the roster now allows its peer. */
  enforce(): void {
    for (const link of this.all()) {
      const standing = this.#parts.admission.of(link.peerId)
      if (standing === link.standing) continue
      this.#parts.log.info({ peer: link.peerId, standing }, 'standing changed')
      if (standing === 'member') this.#promote(link)
      // Its streams were opened with rights that it no longer has.
      else this.cut(link, 'no longer a member')
    }
  }

  /** Ends a link at once: what is not written yet is lost. */
  cut(link: Link, cause: string): void {
    for (const { connection } of [...link.connections]) connection.abort(new Error(cause))
  }

  /** Ends a link after what is already written has left; the dialler brings it back. */
  renew(link: Link): void {
    for (const { connection } of [...link.connections]) {
      connection.close().catch((error: unknown) => {
        connection.abort(new Error(causeOf(error)))
      })
    }
  }

  /**
   * Anyone with a key can be a stranger while there is no roster, or an invite is open. One does
   * what it is there for, or goes: were they to stay, a few that say nothing would keep out the one
   * that has the roster, or the invite.
   */
  #receive(connection: Connection, standing: StrangerStanding): void {
    const { max, ms, cause } = STRANGERS[standing]
    const others = [...this.#strangers].filter(([, stay]) => stay.standing === standing)
    const [oldest] = others
    if (oldest !== undefined && others.length >= max) {
      this.#expel(oldest[0], 'it made room for another stranger')
    }
    const cancel = this.#parts.clock.arm(ms, () => this.#expel(connection, cause))
    this.#strangers.set(connection, { standing, cancel })
    if (standing === 'guest') this.#parts.admission.guests.enter(connection.remotePeer.toString())
  }

  #expel(connection: Connection, cause: string): void {
    connection.abort(new Error(cause))
    // libp2p tells of it a moment later: until then it would still be the oldest one.
    this.closed(connection)
  }

  #settle(connection: Connection): void {
    const stay = this.#strangers.get(connection)
    if (stay === undefined) return
    stay.cancel()
    this.#strangers.delete(connection)
    if (stay.standing === 'guest') {
      this.#parts.admission.guests.leave(connection.remotePeer.toString())
    }
  }

  #promote(link: Link): void {
    link.standing = 'member'
    for (const { connection } of link.connections) this.#settle(connection)
    this.#tell({ kind: 'up', peerId: link.peerId })
  }

  #tell(event: LinkEvent): void {
    this.#parts.log.debug({ peer: event.peerId }, `link ${event.kind}`)
    for (const listener of [...this.#listeners]) {
      try {
        listener(event)
      } catch (error) {
        // One listener's bug must not keep the others from knowing, nor kill the connection's
        // event.
        this.#parts.log.error({ peer: event.peerId, cause: causeOf(error) }, 'link listener failed')
      }
    }
  }
}

/** The other end's address without /p2p. */
function addressOf(connection: Connection): string {
  return connection.remoteAddr.toString().replace(/\/p2p\/[^/]+$/, '')
}
