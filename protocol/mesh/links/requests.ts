import type { Stream } from '@libp2p/interface'
import { MeshError } from '../../core/errors.ts'
import { REQUEST_STREAMS_MAX } from '../../core/limits.ts'
import type { Clock, RequestOptions } from '../../core/ports.ts'
import type { Log } from '../../host/log.ts'
import { PROTOCOLS } from '../../wire/ids.ts'
import type { Admission } from '../members/admission.ts'
import { OutboundBudget } from './frame-writer.ts'
import type { MeshLibp2p } from './libp2p-settings.ts'
import { RequestChannel } from './request-channel.ts'
import { type RequestHandler, RequestServer } from './request-server.ts'

export interface RequestsParts {
  readonly self: string
  readonly admission: Admission
  readonly clock: Clock
  readonly log: Log
  readonly open: (peer: string, protocol: string, signal: AbortSignal) => Promise<Stream>
}

/** Request streams of one node, both ways: a channel a (peer, protocol), a server a protocol. */
export class Requests {
  readonly #parts: RequestsParts
  readonly #servers = new Map<string, RequestServer>()
  readonly #channels = new Map<string, RequestChannel>()
  readonly #budgets = new Map<string, OutboundBudget>()
  #stopped = false

  constructor(parts: RequestsParts) {
    this.#parts = parts
  }

  handle(protocol: string, handler: RequestHandler): void {
    const { log } = this.#parts
    const server = new RequestServer({
      protocol,
      handler,
      log,
      admits: (peer) => this.#allows(peer, protocol),
      budgetOf: (peer) => this.#budgetOf(peer)
    })
    this.#servers.set(protocol, server)
  }

  /** Registers all handlers; before libp2p starts, or the first to connect would find none. */
  async serve(libp2p: MeshLibp2p): Promise<void> {
    const limits = {
      maxInboundStreams: REQUEST_STREAMS_MAX,
      maxOutboundStreams: REQUEST_STREAMS_MAX
    }
    for (const [protocol, server] of this.#servers) {
      await libp2p.handle(
        protocol,
        (stream, connection) => server.accept(stream, connection.remotePeer.toString()),
        limits
      )
    }
  }

  /** Rejects, and throws nothing: a promise more on this way is one for each message. */
  request(
    peer: string,
    protocol: string,
    body: Uint8Array,
    options: RequestOptions
  ): Promise<Uint8Array> {
    const cause = this.#obstacle(peer, protocol)
    if (cause !== undefined) {
      return Promise.reject(new MeshError('PEER_UNREACHABLE', { peer, cause }))
    }
    return this.#channel(peer, protocol).request(body, options)
  }

  /** Lets go of what is kept for a peer whose last connection is gone. */
  forget(peer: string): void {
    for (const [key, channel] of this.#channels) {
      // One in use is opening its next stream already.
      if (key.startsWith(`${peer} `) && channel.inFlight === 0) this.#close(key, channel)
    }
    if (this.#budgets.get(peer)?.unused === true) this.#budgets.delete(peer)
  }

  /** Ends the channels that the roster no longer allows. */
  enforce(): void {
    for (const [key, channel] of this.#channels) {
      const [peer = '', protocol = ''] = key.split(' ')
      if (!this.#allows(peer, protocol)) this.#close(key, channel)
    }
  }

  stop(): void {
    this.#stopped = true
    for (const channel of this.#channels.values()) channel.close('this node stopped')
    this.#channels.clear()
    for (const server of this.#servers.values()) server.stop()
  }

  #obstacle(peer: string, protocol: string): string | undefined {
    if (this.#stopped) return 'this node stopped'
    if (peer === this.#parts.self) return 'it is this node'
    // Also bounds the channels: only members have one.
    return this.#allows(peer, protocol) ? undefined : 'it is not in the roster'
  }

  #close(key: string, channel: RequestChannel): void {
    this.#channels.delete(key)
    channel.close('it is no longer wanted')
  }

  #allows(peer: string, protocol: string): boolean {
    switch (this.#parts.admission.of(peer)) {
      case 'member':
        return true
      case 'roster_only':
        return protocol === PROTOCOLS.roster
      case 'guest':
      case 'inviter':
        return protocol === PROTOCOLS.join
      default:
        return false
    }
  }

  #channel(peer: string, protocol: string): RequestChannel {
    const key = `${peer} ${protocol}`
    const known = this.#channels.get(key)
    if (known !== undefined) return known
    const channel = new RequestChannel({
      peer,
      clock: this.#parts.clock,
      budget: this.#budgetOf(peer),
      open: (signal) => this.#parts.open(peer, protocol, signal)
    })
    this.#channels.set(key, channel)
    return channel
  }

  #budgetOf(peer: string): OutboundBudget {
    const known = this.#budgets.get(peer)
    if (known !== undefined) return known
    const budget = new OutboundBudget()
    this.#budgets.set(peer, budget)
    return budget
  }
}
