import type { GossipSub } from '@libp2p/gossipsub'
import { type Identify, identify } from '@libp2p/identify'
import type { ConnectionGater } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import type { yamux } from '@libp2p/yamux'
import type { ConnectionManagerInit, Libp2p, Libp2pOptions } from 'libp2p'
import {
  ADDRESSES_MAX,
  CONNECTIONS_MAX,
  DIAL_MS_MAX,
  DIALS_PARALLEL_MAX,
  MEMBERS_MAX,
  OUTBOUND_BUFFER_BYTES_MAX,
  STREAMS_PER_CONNECTION_MAX
} from '../../core/limits.ts'
import type { MeshKey } from '../../wire/keys.ts'
import type { MembersGossip } from './members-gossip.ts'
import { steadyYamux } from './muxer.ts'

/** Milliseconds for choosing a stream's protocol: two messages, on a busy host. */
const NEGOTIATION_MS_MAX = 10_000
/** Pings on one connection at a time, from either side. */
const PING_STREAMS_MAX = 4

export type MeshServices = { identify: Identify; ping: Ping; pubsub?: GossipSub }
export type MeshLibp2p = Libp2p<MeshServices>

export interface Libp2pSettings {
  readonly key: MeshKey
  readonly gater: ConnectionGater
  readonly listen: readonly string[]
  readonly announce: readonly string[]
  /** Undefined switches gossip off. */
  readonly gossip: MembersGossip | undefined
}

/** Every setting with what goes wrong without it (lease-protocol 6.2, 6.3). */
export function libp2pSettings(settings: Libp2pSettings): Libp2pOptions<MeshServices> {
  return {
    start: false,
    privateKey: settings.key.privateKey,
    // Identify would tell everyone who connects the exact versions of libp2p and Node.
    nodeInfo: { name: 'runner-mesh', version: '1', userAgent: 'runner-mesh' },
    addresses: { listen: [...settings.listen], announce: [...settings.announce] },
    // Already the default; written down since a round trip costs 44 ms without it.
    transports: [tcp({ dialOpts: { noDelay: true }, listenOpts: { noDelay: true } })],
    // Its default crypto is the fastest one measured.
    connectionEncrypters: [noise()],
    streamMuxers: [steadyYamux(muxerSettings())],
    connectionGater: settings.gater,
    connectionManager: connectionSettings(),
    // Its ping aborts the connection on the first miss (js-libp2p #3463); with that off it would
    // only double the pings of LinkMonitor, which forgives some.
    connectionMonitor: { enabled: false, abortConnectionOnPingFailure: false },
    services: {
      // Gossip learns from it who speaks gossip.
      identify: identify(),
      // One a connection by default: a ping that is late would be the reason to refuse the next.
      ping: ping({ maxInboundStreams: PING_STREAMS_MAX, maxOutboundStreams: PING_STREAMS_MAX }),
      ...(settings.gossip === undefined ? {} : { pubsub: settings.gossip.create })
    }
  }
}

function muxerSettings(): Parameters<typeof yamux>[0] {
  return {
    // The default is 1 000 streams of 4 MB each: 4 GB that one peer could hold.
    maxInboundStreams: STREAMS_PER_CONNECTION_MAX,
    maxOutboundStreams: STREAMS_PER_CONNECTION_MAX,
    streamOptions: {
      // What a peer may send before we read it; one frame fits, so no answer waits for a window.
      maxStreamWindowSize: OUTBOUND_BUFFER_BYTES_MAX,
      maxReadBufferLength: OUTBOUND_BUFFER_BYTES_MAX,
      // Infinite by default: a stopped peer grows our memory. FrameWriter keeps below half of it;
      // this holds for whatever else writes.
      maxWriteBufferLength: OUTBOUND_BUFFER_BYTES_MAX * 2
    }
  }
}

function connectionSettings(): ConnectionManagerInit {
  return {
    // The default of 300 prunes living links of a large mesh.
    maxConnections: CONNECTIONS_MAX,
    // 5 a second from one address by default: a rack behind one NAT that reboots together is cut
    // off.
    inboundConnectionThreshold: MEMBERS_MAX,
    // 10 by default: of 15 dials at once 10 were refused.
    maxIncomingPendingConnections: MEMBERS_MAX,
    inboundUpgradeTimeout: DIAL_MS_MAX,
    outboundStreamProtocolNegotiationTimeout: NEGOTIATION_MS_MAX,
    inboundStreamProtocolNegotiationTimeout: NEGOTIATION_MS_MAX,
    dialTimeout: DIAL_MS_MAX,
    // One dead address must leave time for the others.
    addressDialTimeout: DIAL_MS_MAX / 2,
    // Dialler keeps to it; requests dial besides, each peer once at a time.
    maxParallelDials: DIALS_PARALLEL_MAX * 2,
    maxDialQueueLength: MEMBERS_MAX,
    maxPeerAddrsToDial: ADDRESSES_MAX,
    // No /dnsaddr: a roster names hosts, it does not delegate to what DNS lists under them.
    resolvers: {}
  }
}
