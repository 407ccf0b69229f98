import type { Connection, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { MeshError } from '../../core/errors.ts'
import { REQUEST_STREAMS_MAX } from '../../core/limits.ts'
import type { Clock, Random, RequestOptions } from '../../core/ports.ts'
import type { Member } from '../../core/roster.ts'
import type { Log } from '../../host/log.ts'
import type { MeshKey } from '../../wire/keys.ts'
import { Admission } from '../members/admission.ts'
import type { Introductions } from '../members/door.ts'
import type { RosterView } from '../members/roster-book.ts'
import { Dialler } from './dialler.ts'
import { gater } from './gater.ts'
import { Gossip, type GossipHandler } from './gossip.ts'
import { libp2pSettings, type MeshLibp2p, type MeshServices } from './libp2p-settings.ts'
import { LinkMonitor } from './link-monitor.ts'
import { type LinkEvent, Links, type PeerLink } from './links.ts'
import { listenProblem } from './listen-problem.ts'
import { MembersGossip } from './members-gossip.ts'
import type { RequestHandler } from './request-server.ts'
import { Requests } from './requests.ts'

export interface MeshNode {
  readonly peerId: string
  start(): Promise<void>
  stop(): Promise<void>
  /**
   * Where this node listens or says that it does: multiaddrs without /p2p, as a roster holds them.
   */
  addresses(): readonly string[]
  /** Before start. Members only get through, but on PROTOCOLS.roster. */
  handle(protocol: string, handler: RequestHandler): void
  /**
   * One long-lived stream a (peer, protocol), opened and re-opened when it is needed. Rejects with
   * PEER_UNREACHABLE, REQUEST_TIMED_OUT, OVERLOADED (here or there), MESSAGE_TOO_LARGE or
   * REQUEST_REFUSED (`facts.refusal` is the code that the other side gave).
   */
  request(
    peer: string,
    protocol: string,
    body: Uint8Array,
    options: RequestOptions
  ): Promise<Uint8Array>
  /** Hands the bytes to gossip; a no-op where gossip is off. Rejects with MESSAGE_TOO_LARGE. */
  publish(topic: string, bytes: Uint8Array): Promise<void>
  /** One handler a topic, from TOPICS; a no-op where gossip is off. */
  subscribe(topic: string, handler: GossipHandler): void
  /**
   * Multiaddr of the other end of a connection to that peer, member or not, as this node sees it.
   */
  seen(peerId: string): string | undefined
  /** Members that a connection exists to. */
  links(): readonly PeerLink[]
  /** How many connected peers listen to that topic; undefined where gossip is off. */
  gossipPeers(topic: string): number | undefined
  /** The returned function ends the listening. */
  onLink(listener: (event: LinkEvent) => void): () => void
}

export interface MeshNodeParts extends Introductions {
  readonly key: MeshKey
  readonly rosters: RosterView
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

export interface MeshNodeOptions {
  /** Multiaddrs to listen on, as `/ip4/0.0.0.0/tcp/4471`. */
  readonly listen: readonly string[]
  /** Multiaddrs to say instead of those listened on; empty says those. */
  readonly announce: readonly string[]
  readonly gossip: boolean
}

export function createMeshNode(parts: MeshNodeParts, options: MeshNodeOptions): MeshNode {
  return new Libp2pNode(parts, options)
}

class Libp2pNode implements MeshNode {
  readonly peerId: string
  readonly #parts: MeshNodeParts
  readonly #options: MeshNodeOptions
  readonly #admission: Admission
  readonly #links: Links
  readonly #monitor: LinkMonitor
  readonly #dialler: Dialler
  readonly #requests: Requests
  readonly #subscriptions = new Map<string, GossipHandler>()
  #libp2p: MeshLibp2p | undefined
  #gossip: Gossip | undefined
  #membersGossip: MembersGossip | undefined
  #unsubscribe: (() => void) | undefined

  constructor(parts: MeshNodeParts, options: MeshNodeOptions) {
    const { key, clock, log, random, rosters } = parts
    this.peerId = key.peerId
    this.#parts = parts
    this.#options = options
    this.#admission = new Admission(rosters, clock, key.peerId, parts)
    this.#links = new Links({ admission: this.#admission, clock, log })
    this.#monitor = new LinkMonitor({ links: this.#links, clock, log, gossip: options.gossip })
    this.#dialler = new Dialler({
      self: key.peerId,
      clock,
      random,
      log,
      targets: () => this.#admission.reachable(),
      isLinked: (peerId) => this.#links.of(peerId) > 0,
      dial: (member, signal) => this.#dial(member, signal)
    })
    this.#requests = new Requests({
      self: key.peerId,
      clock,
      log,
      admission: this.#admission,
      open: (peer, protocol, signal) => this.#openStream(peer, protocol, signal)
    })
  }

  async start(): Promise<void> {
    if (this.#libp2p !== undefined) throw new MeshError('BUG', { problem: 'node started twice' })
    const { key, log, rosters } = this.#parts
    const isMember = (peerId: string): boolean => this.#admission.isMember(peerId)
    const gossip = this.#options.gossip ? new MembersGossip(isMember) : undefined
    const keeper = gater(this.#admission, this.#links, this.#parts.inviter)
    const settings = libp2pSettings({ ...this.#options, key, gater: keeper, gossip })
    const libp2p = await createLibp2p<MeshServices>(settings)
    this.#membersGossip = gossip
    this.#links.onLink(({ kind, peerId }) => {
      if (kind === 'up') gossip?.meet(peerId)
    })
    this.#libp2p = libp2p
    libp2p.addEventListener('connection:open', (event) => this.#onOpen(event.detail))
    libp2p.addEventListener('connection:close', (event) => this.#onClose(event.detail))
    await this.#requests.serve(libp2p)
    try {
      await libp2p.start()
    } catch (error) {
      throw listenProblem(error)
    }
    this.#gossip = new Gossip({ service: libp2p.services.pubsub, isMember, log })
    for (const [topic, handler] of this.#subscriptions) this.#gossip.subscribe(topic, handler)
    this.#unsubscribe = rosters.onChange(() => {
      this.#requests.enforce()
      this.#links.enforce()
      this.#dialler.refresh()
    })
    this.#dialler.refresh()
    this.#monitor.start()
    log.info({ peer: this.peerId, addresses: this.addresses() }, 'node started')
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.()
    const stopped = [this.#dialler.stop(), this.#monitor.stop()]
    this.#requests.stop()
    await this.#libp2p?.stop()
    await Promise.all(stopped)
  }

  addresses(): readonly string[] {
    const all = this.#libp2p?.getMultiaddrs() ?? []
    return all.map((address) => address.toString().replace(/\/p2p\/[^/]+$/, ''))
  }

  handle(protocol: string, handler: RequestHandler): void {
    if (this.#libp2p !== undefined) {
      throw new MeshError('BUG', { problem: `${protocol} is handled too late` })
    }
    this.#requests.handle(protocol, handler)
  }

  request(
    peer: string,
    protocol: string,
    body: Uint8Array,
    options: RequestOptions
  ): Promise<Uint8Array> {
    return this.#requests.request(peer, protocol, body, options)
  }

  async publish(topic: string, bytes: Uint8Array): Promise<void> {
    await this.#gossip?.publish(topic, bytes)
  }

  subscribe(topic: string, handler: GossipHandler): void {
    this.#subscriptions.set(topic, handler)
    this.#gossip?.subscribe(topic, handler)
  }

  seen(peerId: string): string | undefined {
    return this.#links.address(peerId)
  }

  links(): readonly PeerLink[] {
    return this.#links.list()
  }

  gossipPeers(topic: string): number | undefined {
    return this.#gossip?.peers(topic)
  }

  onLink(listener: (event: LinkEvent) => void): () => void {
    return this.#links.onLink(listener)
  }

  #onOpen(connection: Connection): void {
    const linked = this.#links.opened(connection)
    if (linked !== undefined) void this.#monitor.ping(linked)
  }

  #onClose(connection: Connection): void {
    const peerId = connection.remotePeer.toString()
    this.#links.closed(connection)
    if (this.#links.of(peerId) > 0) return
    if (!this.#admission.isMember(peerId)) this.#forgetStranger(connection)
    this.#membersGossip?.forget(peerId)
    this.#requests.forget(peerId)
    this.#dialler.linkLost(peerId)
  }

  /** libp2p keeps what it learned of a peer until it is asked for: of a key used once, for ever. */
  #forgetStranger({ remotePeer }: Connection): void {
    const forget = async (): Promise<void> => await this.#libp2p?.peerStore.delete(remotePeer)
    forget().catch((error: unknown) => {
      this.#parts.log.debug({ peer: remotePeer.toString(), err: error }, 'stranger not forgotten')
    })
  }

  async #openStream(peer: string, protocol: string, signal: AbortSignal): Promise<Stream> {
    const connection = this.#links.connection(peer) ?? (await this.#dialPeer(peer, signal))
    const maxOutboundStreams = REQUEST_STREAMS_MAX
    return await connection.newStream([protocol], { signal, maxOutboundStreams })
  }

  async #dialPeer(peer: string, signal: AbortSignal): Promise<Connection> {
    const known = [...this.#admission.reachable(), this.#parts.inviter]
    const member = known.find((one) => one?.peerId === peer)
    if (member === undefined) throw new Error('it is not connected and has no address')
    return await this.#dial(member, signal)
  }

  async #dial(
    member: Pick<Member, 'peerId' | 'addresses'>,
    signal: AbortSignal
  ): Promise<Connection> {
    const addresses = member.addresses.flatMap((address) => {
      try {
        return [multiaddr(`${address}/p2p/${member.peerId}`)]
      } catch {
        // One address with a typo must not hide the others.
        this.#parts.log.warn({ peer: member.peerId, address }, 'address is not a multiaddr')
        return []
      }
    })
    if (addresses.length === 0) throw new Error('the roster gives no usable address')
    if (this.#libp2p === undefined) throw new Error('this node is not started')
    return await this.#libp2p.dial(addresses, { signal })
  }
}
