import { type GossipSub, gossipsub } from '@libp2p/gossipsub'
import type { Connection, PeerId, Stream } from '@libp2p/interface'
import { OUTBOUND_BUFFER_BYTES_MAX } from '../../core/limits.ts'
import { gossipSettings } from './gossip-settings.ts'

type Components = Parameters<ReturnType<typeof gossipsub>>[0]
type Registrar = Components['registrar']

/** Streams of one stranger that are kept unread; gossip itself uses one. */
const PARKED_STREAMS_MAX = 2
/** Things to do for one stranger that are remembered: a stream and a topology a gossip version. */
const WAITING_TASKS_MAX = 16
/** Bytes of such a stream: a peer tells its topics on it, which takes some hundred. */
const PARKED_BYTES_MAX = 65_536

/** What gossip is to do with a connected peer once that is a member, in order. */
interface Waiting {
  readonly tasks: (() => unknown)[]
  streams: number
}

/**
 * Gossipsub that speaks with members only. Its scores already make it deaf to a stranger, but it
 * would still decode what that one sends, and tell it our topics.
 */
export class MembersGossip {
  readonly #isMember: (peerId: string) => boolean
  /** Connected peers that speak gossip and are no members yet. */
  readonly #waiting = new Map<string, Waiting>()

  constructor(isMember: (peerId: string) => boolean) {
    this.#isMember = isMember
  }

  /** For libp2p's `services`. */
  readonly create = (components: Components): GossipSub => {
    const { privateKey, peerId, peerStore, connectionManager, logger } = components
    const registrar = this.#membersOnly(components.registrar)
    const create = gossipsub(gossipSettings(this.#isMember))
    return create({ privateKey, peerId, peerStore, connectionManager, logger, registrar })
  }

  /**
   * To be told when a connected peer became a member: gossip opens its streams when a connection
   * opens and tells its topics on them once, so without this neither side would hear the other.
   */
  meet(peerId: string): void {
    const waiting = this.#waiting.get(peerId)
    this.#waiting.delete(peerId)
    for (const task of waiting?.tasks ?? []) task()
  }

  /** To be told when the last connection to a peer is gone. */
  forget(peerId: string): void {
    this.#waiting.delete(peerId)
  }

  #membersOnly(inner: Registrar): Registrar {
    const handle: Registrar['handle'] = async (protocol, handler, options) => {
      const guarded = (stream: Stream, connection: Connection): void | Promise<void> => {
        const peerId = connection.remotePeer.toString()
        if (this.#isMember(peerId)) return handler(stream, connection)
        this.#park(peerId, stream, () => handler(stream, connection))
      }
      await inner.handle(protocol, guarded, options)
    }
    const register: Registrar['register'] = async (protocol, topology, options) => {
      const onConnect = (peer: PeerId, connection: Connection): void => {
        if (this.#isMember(peer.toString())) topology.onConnect?.(peer, connection)
        else this.#wait(peer.toString(), () => topology.onConnect?.(peer, connection))
      }
      return await inner.register(protocol, { ...topology, onConnect }, options)
    }
    return new Proxy(inner, {
      get: (target, name) => {
        if (name === 'handle') return handle
        if (name === 'register') return register
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      }
    })
  }

  /** Neither read nor reset: its first words are the topics, and they are not said again. */
  #park(peerId: string, stream: Stream, task: () => unknown): void {
    const waiting = this.#waitingOf(peerId)
    if (waiting.streams >= PARKED_STREAMS_MAX) {
      stream.abort(new Error('gossip is for members'))
      return
    }
    waiting.streams += 1
    stream.maxReadBufferLength = PARKED_BYTES_MAX
    this.#wait(peerId, () => {
      stream.maxReadBufferLength = OUTBOUND_BUFFER_BYTES_MAX
      return task()
    })
  }

  #wait(peerId: string, task: () => unknown): void {
    const { tasks } = this.#waitingOf(peerId)
    if (tasks.length < WAITING_TASKS_MAX) tasks.push(task)
  }

  #waitingOf(peerId: string): Waiting {
    const known = this.#waiting.get(peerId)
    if (known !== undefined) return known
    const waiting: Waiting = { tasks: [], streams: 0 }
    this.#waiting.set(peerId, waiting)
    return waiting
  }
}
