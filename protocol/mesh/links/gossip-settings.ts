import { createHash } from 'node:crypto'
import type { GossipsubOpts, Message } from '@libp2p/gossipsub'
import { createTopicScoreParams } from '@libp2p/gossipsub/score'
import { GOSSIP_BYTES_MAX, OUTBOUND_BUFFER_BYTES_MAX } from '../../core/limits.ts'
import { TOPICS } from '../../wire/ids.ts'

/** Above what a member can earn, so that addresses told by others are never dialled. */
const NEVER = Number.MAX_SAFE_INTEGER
/** Points (times the weight of 10) that put a peer far below every threshold at once. */
const STRANGER_SCORE = -1_000

/** The score of one topic: only invalid messages count. */
const TOPIC_SCORE = createTopicScoreParams({
  topicWeight: 1,
  // P1, P2: time and first deliveries earn nothing; every member is equally welcome.
  timeInMeshWeight: 0,
  firstMessageDeliveriesWeight: 0,
  // P3, P3b: by default a peer must deliver 20 messages; on a quiet topic that punishes everyone.
  meshMessageDeliveriesWeight: 0,
  meshFailurePenaltyWeight: 0,
  // P4 works only where the topic is listed: four invalid messages cost 160 points, which silences
  // a peer until they have decayed, some seconds later.
  invalidMessageDeliveriesWeight: -10,
  invalidMessageDeliveriesDecay: 0.9
})

/** Same bytes on the same topic are one message, whoever sends them again. */
export function messageId(topic: string, data: Uint8Array): Uint8Array {
  return createHash('sha256').update(topic).update('|').update(data).digest()
}

/** Every setting with what goes wrong without it (lease-protocol 6.2). */
export function gossipSettings(isMember: (peerId: string) => boolean): Partial<GossipsubOpts> {
  const topics = Object.values(TOPICS)
  return {
    // The publisher is known for certain; its intent still needs the announcement's own signature.
    globalSignaturePolicy: 'StrictSign',
    // Any other topic a peer names would take memory for ever (CVE-2026-46679).
    allowedTopics: topics,
    // Floodsub peers are not scored.
    fallbackToFloodsub: false,
    // Peers learn of each other by the roster, never by what some peer says.
    doPX: false,
    // What this node publishes it knows already.
    emitSelf: false,
    // Straight to all: 52 ms instead of 603 ms (median of 60 nodes), and our messages are small.
    floodPublish: true,
    // One encoding for all receivers.
    batchPublish: true,
    // The first node of a mesh has nobody to tell, which is no error: the registers hold the truth.
    allowPublishToZeroTopicPeers: true,
    // A repeat is no error either.
    ignoreDuplicatePublishError: true,
    // The defaults, written down since the thresholds and loads above were measured with them.
    D: 6,
    Dlo: 4,
    Dhi: 12,
    Dlazy: 6,
    // The default frame of 4 MB would let each peer hold that much of us. Larger is not relayed:
    // above GOSSIP_MANIFEST_BYTES_MAX only a hint is published.
    maxInboundDataLength: GOSSIP_BYTES_MAX,
    // Gossip has no back-pressure: without this a stopped peer grows our memory without end.
    maxOutboundBufferSize: OUTBOUND_BUFFER_BYTES_MAX,
    // One is in use; the others cover the moment in which a stream replaces another.
    maxInboundStreams: 4,
    maxOutboundStreams: 4,
    // By default the id is author and counter: a message told again by another node would be a new
    // one. Mind that the seen cache fills before a topic's handler judges: what it ignores is
    // dropped for two minutes, also from others. Who means a repeat puts a counter into the data.
    msgIdFn: (message: Message) => messageId(message.topic, message.data),
    scoreParams: {
      topics: Object.fromEntries(topics.map((topic) => [topic, TOPIC_SCORE])),
      // More than 10 peers behind one address would all be silenced: measured, 0 of 15 messages.
      // Membership is signed here; counting addresses is no defence and breaks every office NAT.
      IPColocationFactorWeight: 0,
      appSpecificScore: (peerId: string) => (isMember(peerId) ? 1 : STRANGER_SCORE),
      appSpecificWeight: 10,
      // A host under build load misses some promised messages; by default the third silences it.
      behaviourPenaltyThreshold: 6
    },
    // A member's score is exactly the default threshold for taking addresses from it.
    scoreThresholds: { acceptPXThreshold: NEVER }
  }
}
