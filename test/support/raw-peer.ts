import { identify } from '@libp2p/identify'
import type { Connection, Stream } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { FrameReader } from '../../protocol/mesh/links/frame-reader.ts'
import { lengthPrefix } from '../../protocol/mesh/links/frame-writer.ts'
import { steadyYamux } from '../../protocol/mesh/links/muxer.ts'
import type { MeshNode } from '../../protocol/mesh/links/node.ts'
import { decodeFrame, encodeFrame, type Frame } from '../../protocol/wire/frame.ts'
import type { MeshKey } from '../../protocol/wire/keys.ts'
import { LOOPBACK } from './mesh-nodes.ts'

/**
 * A peer that keeps none of our rules: plain libp2p, no gater, no limits. What it gets away with is
 * what the other side allows. It answers no ping.
 */
export async function rawPeer(key: MeshKey, listen = LOOPBACK): Promise<Libp2p> {
  return await createLibp2p({
    privateKey: key.privateKey,
    addresses: { listen: [listen] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [steadyYamux()],
    connectionMonitor: { enabled: false },
    services: { identify: identify() }
  })
}

export async function dialRaw(from: Libp2p, to: MeshNode): Promise<Connection> {
  const [address] = to.addresses()
  return await from.dial(multiaddr(`${address}/p2p/${to.peerId}`))
}

/** One raw request stream, seen frame by frame. */
export class RawStream {
  readonly stream: Stream
  readonly frames: Frame[] = []
  receivedBytes = 0
  isClosed: boolean

  constructor(stream: Stream, onFrame: (frame: Frame, raw: RawStream) => void = () => undefined) {
    this.stream = stream
    this.isClosed = stream.status !== 'open'
    const reader = new FrameReader('raw')
    stream.addEventListener('message', (event) => {
      this.receivedBytes += event.data.byteLength
      for (const bytes of reader.push(event.data.subarray())) {
        const frame = decodeFrame(bytes)
        this.frames.push(frame)
        onFrame(frame, this)
      }
    })
    stream.addEventListener('close', () => {
      this.isClosed = true
    })
  }

  static async open(connection: Connection, protocol: string): Promise<RawStream> {
    return new RawStream(await connection.newStream([protocol]))
  }

  request(id: number, body: Uint8Array = new Uint8Array(0)): void {
    this.send(encodeFrame({ id, kind: 'request', body, code: '' }))
  }

  respond(id: number, body: Uint8Array = new Uint8Array(0)): void {
    this.send(encodeFrame({ id, kind: 'response', body, code: '' }))
  }

  /** Says nothing on a stream that was cut: what a test looks at is what came back. */
  send(frame: Uint8Array): void {
    if (this.isClosed) return
    this.stream.send(Buffer.concat([lengthPrefix(frame.length), frame]))
  }
}
