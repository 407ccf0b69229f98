import type { Socket } from 'node:net'
import type { MessageStream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import { yamux } from '@libp2p/yamux'
import { OUTBOUND_BUFFER_BYTES_MAX } from '../../core/limits.ts'

/**
 * yamux whose frames for a connection that is gone are dropped. Without this any peer ends the
 * process: yamux (8.0.3) sends the first frame of a stream from a microtask that nothing catches,
 * so a connection that closes between the opening and that microtask is an uncaught exception.
 * The same class of fault as js-libp2p #3512, which was mended elsewhere only. Nothing is hidden
 * from a writer: the muxer closes all its streams when the connection ends.
 *
 * And yamux that writes once a tick, and grants its window only when half of it is used up: by
 * itself it answers each frame with a grant, and hands each frame to the socket in two writes.
 *
 * And yamux that bounds what it keeps below its streams, where none of our own readers looks: a
 * frame that is not whole yet, answers that the peer does not read, a socket that is half closed.
 *
 * @param init as yamux takes it; its own defaults without one
 */
export function steadyYamux(init?: Parameters<typeof yamux>[0]): () => StreamMuxerFactory {
  return () => {
    const factory = yamux(init)()
    return {
      protocol: factory.protocol,
      createStreamMuxer: (connection) => {
        // Pings and refused streams are answered below all streams: unread, without end.
        connection.maxWriteBufferLength ??= OUTBOUND_BUFFER_BYTES_MAX * 2
        const socket = socketOf(connection)
        if (socket !== undefined) endSocket(connection, socket)
        return thrifty(steady(factory.createStreamMuxer(connection), corked(socket)))
      }
    }
  }
}

/** What every muxer of @libp2p/utils has, and the interface does not name. */
type SendingMuxer = StreamMuxer & {
  send(frame: unknown): boolean
  onData(bytes: unknown): void
  readonly decoder: { readonly buffer: { readonly byteLength: number } }
}

/** What a stream of yamux has, in bytes: how much the peer may still send, of how much. */
interface WindowStream {
  readonly state: number
  readonly recvWindow: number
  readonly recvWindowCapacity: number
  sendWindowUpdate(): void
}

/** yamux's own number of a stream that both sides know: the first grants also open a stream. */
const ESTABLISHED = 3

function socketOf(connection: MessageStream): Socket | undefined {
  return (connection as MessageStream & { stream?: { socket?: Socket } }).stream?.socket
}

/** A peer that has ended its half and reads nothing would keep the socket, and all unsent in it. */
function endSocket(connection: MessageStream, socket: Socket): void {
  connection.addEventListener('close', () => socket.destroy())
}

/** To be called before a write: all writes of a tick leave in one call of the system. */
function corked(socket: Socket | undefined): () => void {
  let isCorked = false
  return () => {
    if (isCorked || socket === undefined) return
    isCorked = true
    socket.cork()
    process.nextTick(() => {
      isCorked = false
      socket.uncork()
    })
  }
}

/** The peer always has at least half a window left: it never waits for what is held back. */
function thrifty(muxer: StreamMuxer): StreamMuxer {
  const making = muxer as StreamMuxer & { _newStream(...facts: unknown[]): WindowStream }
  const make = making._newStream.bind(muxer)
  making._newStream = (...facts) => {
    const stream = make(...facts)
    const grant = stream.sendWindowUpdate.bind(stream)
    stream.sendWindowUpdate = () => {
      const { state, recvWindow, recvWindowCapacity } = stream
      if (state === ESTABLISHED && recvWindowCapacity * 2 >= recvWindow) return
      grant()
    }
    return stream
  }
  return muxer
}

function steady(muxer: StreamMuxer, cork: () => void): StreamMuxer {
  const sending = muxer as SendingMuxer
  const send = sending.send.bind(muxer)
  sending.send = (frame) => {
    cork()
    try {
      return send(frame)
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'StreamStateError') throw error
      // "Wait for the drain": a writer that heard "go on" would fill buffers for nobody.
      return false
    }
  }
  const onData = sending.onData.bind(muxer)
  sending.onData = (bytes) => {
    onData(bytes)
    // yamux keeps a frame until it is whole, and asks for its window only then.
    if (sending.decoder.buffer.byteLength <= OUTBOUND_BUFFER_BYTES_MAX + 12) return
    throw new Error('a frame is over its window')
  }
  return muxer
}
