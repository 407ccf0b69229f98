import { type GossipSub, type Message, TopicValidatorResult } from '@libp2p/gossipsub'
import { causeOf, MeshError } from '../../core/errors.ts'
import { GOSSIP_BYTES_MAX } from '../../core/limits.ts'
import type { Log } from '../../host/log.ts'

/** Bytes of a gossip frame that are not the message: envelope, signature, control messages. */
const FRAME_OVERHEAD_BYTES = 16_384
export const GOSSIP_DATA_BYTES_MAX = GOSSIP_BYTES_MAX - FRAME_OVERHEAD_BYTES

/**
 * Judges one gossip message before it is relayed. `ignore` also drops every repeat of the same
 * bytes for two minutes (the seen cache fills first), so say it only where the registers repair the
 * loss; `reject` costs the relaying peer its score, so say it only of bytes that no honest peer can
 * send.
 */
export type GossipHandler = (from: string, bytes: Uint8Array) => 'accept' | 'ignore' | 'reject'

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

  /** How many connected peers listen to the topic; undefined where gossip is off. */
  peers(topic: string): number | undefined {
    return this.#parts.service?.getSubscribers(topic).length
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
