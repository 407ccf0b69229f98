import { type GossipSub, gossipsub, type Message, TopicValidatorResult } from '@libp2p/gossipsub'
import type { Connection, PeerId, Stream } from '@libp2p/interface'
import { causeOf, MeshError } from '../core/errors.ts'
import { GOSSIP_BYTES_MAX } from '../core/limits.ts'
import type { Log } from '../host/log.ts'
import { gossipSettings } from './gossip-settings.ts'
import type { GossipHandler } from './node.ts'

/** Bytes of a gossip frame that are not the message: envelope, signature, control messages. */
const FRAME_OVERHEAD_BYTES = 16_384
export const GOSSIP_DATA_BYTES_MAX = GOSSIP_BYTES_MAX - FRAME_OVERHEAD_BYTES

type GossipFactory = ReturnType<typeof gossipsub>
type GossipComponents = Parameters<GossipFactory>[0]
type Registrar = GossipComponents['registrar']

/**
 * Gossipsub that speaks with members only. Its own scores already ignore what a stranger says, but it
 * would still decode it, and would tell it our topics.
 */
export function membersGossip(isMember: (peerId: string) => boolean): GossipFactory {
  return (components) => {
    const { privateKey, peerId, peerStore, connectionManager, logger } = components
    const registrar = membersRegistrar(components.registrar, isMember)
    const create = gossipsub(gossipSettings(isMember))
    return create({ privateKey, peerId, peerStore, connectionManager, logger, registrar })
  }
}

function membersRegistrar(inner: Registrar, isMember: (peerId: string) => boolean): Registrar {
  return new Proxy(inner, {
    get: (target, name) => {
      if (name === 'handle') return handleForMembers(target, isMember)
      if (name === 'register') return registerForMembers(target, isMember)
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
}

function handleForMembers(
  inner: Registrar,
  isMember: (peerId: string) => boolean
): Registrar['handle'] {
  return async (protocol, handler, options) => {
    const guarded = (stream: Stream, connection: Connection): void | Promise<void> => {
      if (isMember(connection.remotePeer.toString())) return handler(stream, connection)
      stream.abort(new Error('gossip is for members'))
    }
    await inner.handle(protocol, guarded, options)
  }
}

function registerForMembers(
  inner: Registrar,
  isMember: (peerId: string) => boolean
): Registrar['register'] {
  return async (protocol, topology, options) => {
    const onConnect = (peer: PeerId, connection: Connection): void => {
      if (isMember(peer.toString())) topology.onConnect?.(peer, connection)
    }
    return await inner.register(protocol, { ...topology, onConnect }, options)
  }
}

export interface GossipParts {
  /** Undefined where gossip is off: everything here is then a no-op. */
  readonly service: GossipSub | undefined
  readonly isMember: (peerId: string) => boolean
  readonly log: Log
}

/** Publishing and judging of messages; a hint channel, never the truth. */
export class Gossip {
  readonly #parts: GossipParts

  constructor(parts: GossipParts) {
    this.#parts = parts
  }

  subscribe(topic: string, handler: GossipHandler): void {
    const { service } = this.#parts
    if (service === undefined) return
    service.topicValidators.set(topic, (_relay, message) => this.#judge(message, handler))
    service.subscribe(topic)
  }

  async publish(topic: string, bytes: Uint8Array): Promise<void> {
    if (bytes.length > GOSSIP_DATA_BYTES_MAX) {
      const facts = { what: 'the gossip message', bytes: bytes.length, max: GOSSIP_DATA_BYTES_MAX }
      throw new MeshError('MESSAGE_TOO_LARGE', facts)
    }
    await this.#parts.service?.publish(topic, bytes)
  }

  #judge(message: Message, handler: GossipHandler): TopicValidatorResult {
    // Unsigned ones do not come this far; of a non-member the relay is no proof of ill will, since
    // its roster may be newer than ours.
    if (message.type !== 'signed') return TopicValidatorResult.Reject
    const from = message.from.toString()
    if (!this.#parts.isMember(from)) return TopicValidatorResult.Ignore
    try {
      return RESULTS[handler(from, message.data)]
    } catch (error) {
      const facts = { peer: from, topic: message.topic, cause: causeOf(error) }
      this.#parts.log.error(facts, 'gossip handler failed')
      return TopicValidatorResult.Ignore
    }
  }
}

const RESULTS = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject
}
