import type { Stream } from '@libp2p/interface'
import { causeOf, codeOf, MeshError } from '../../core/errors.ts'
import {
  FRAME_BYTES_MAX,
  OUTBOUND_BUFFER_BYTES_MAX,
  REQUEST_BYTES_IN_FLIGHT_MAX,
  REQUESTS_IN_FLIGHT_MAX
} from '../../core/limits.ts'
import type { Log } from '../../host/log.ts'
import { decodeFrame, encodeFrame, type Frame } from '../../wire/frame.ts'
import { FrameReader } from './frame-reader.ts'
import { FrameWriter, type OutboundBudget } from './frame-writer.ts'

/**
 * Room kept for error frames when the peer's buffer is full of answers: 32 bytes each in flight.
 */
const ERROR_RESERVE_BYTES = REQUESTS_IN_FLIGHT_MAX * 32
const NOT_ADMITTED = 'this peer may not use this protocol'
const NO_BODY = new Uint8Array(0)

/**
 * Answers one request. What it throws travels as a code only: nothing else of it leaves this host.
 */
export type RequestHandler = (remote: string, body: Uint8Array) => Promise<Uint8Array>

export interface RequestServerParts {
  readonly protocol: string
  readonly handler: RequestHandler
  /** Whether this peer may use this protocol now; asked again for every request. */
  readonly admits: (peer: string) => boolean
  readonly budgetOf: (peer: string) => OutboundBudget
  readonly log: Log
}

interface Load {
  requests: number
  bytes: number
}

interface Session {
  readonly remote: string
  readonly stream: Stream
  readonly writer: FrameWriter
  lastId: number
}

/** Answers one protocol, for every peer that is admitted to it. */
export class RequestServer {
  readonly #parts: RequestServerParts
  readonly #sessions = new Set<Session>()
  /** What is being served, by peer: over all its streams, so that a second stream buys nothing. */
  readonly #loads = new Map<string, Load>()

  constructor(parts: RequestServerParts) {
    this.#parts = parts
  }

  get streams(): number {
    return this.#sessions.size
  }

  accept(stream: Stream, remote: string): void {
    if (!this.#parts.admits(remote)) {
      stream.abort(new Error(NOT_ADMITTED))
      return
    }
    const writer = new FrameWriter(this.#parts.budgetOf(remote))
    const session: Session = { remote, stream, writer, lastId: 0 }
    this.#sessions.add(session)
    const reader = new FrameReader(remote)
    stream.addEventListener('message', (event) => {
      this.#receive(session, reader, event.data.subarray())
    })
    stream.addEventListener('close', () => this.#end(session))
    // The asker is gone for good: request streams are never half open.
    stream.addEventListener('remoteCloseWrite', () => this.#abort(session, 'the asker left'))
    if (stream.status === 'open') writer.attach(stream)
    else this.#end(session)
  }

  stop(): void {
    for (const session of [...this.#sessions]) this.#abort(session, 'this node stops')
  }

  #receive(session: Session, reader: FrameReader, chunk: Uint8Array): void {
    if (!this.#sessions.has(session)) return
    try {
      for (const bytes of reader.push(chunk)) {
        this.#take(session, decodeFrame(bytes, session.remote), bytes.length)
      }
    } catch (error) {
      const facts = { peer: session.remote, protocol: this.#parts.protocol, cause: causeOf(error) }
      this.#parts.log.warn(facts, 'stream dropped')
      this.#abort(session, causeOf(error))
    }
  }

  #take(session: Session, frame: Frame, bytes: number): void {
    const { remote } = session
    if (!this.#parts.admits(remote)) throw new Error(NOT_ADMITTED)
    // Ascending ids only: a repeated one could be answered twice, and the asker drops such a
    // stream.
    if (frame.kind !== 'request' || frame.id <= session.lastId) {
      const problem = `frame ${frame.id} is no new request`
      throw new MeshError('MESSAGE_INVALID', { peer: remote, problem })
    }
    session.lastId = frame.id
    const load = this.#loads.get(remote) ?? { requests: 0, bytes: 0 }
    const full =
      load.requests >= REQUESTS_IN_FLIGHT_MAX || load.bytes + bytes > REQUEST_BYTES_IN_FLIGHT_MAX
    if (full) {
      this.#fail(session, frame.id, 'OVERLOADED')
      return
    }
    load.requests += 1
    load.bytes += bytes
    this.#loads.set(remote, load)
    void this.#serve(session, frame).finally(() => {
      load.requests -= 1
      load.bytes -= bytes
      if (load.requests === 0) this.#loads.delete(remote)
    })
  }

  /** Never rejects. */
  async #serve(session: Session, frame: Frame): Promise<void> {
    try {
      const body = await this.#parts.handler(session.remote, frame.body)
      if (body.length > FRAME_BYTES_MAX) {
        const facts = { what: 'the answer', bytes: body.length, max: FRAME_BYTES_MAX }
        throw new MeshError('MESSAGE_TOO_LARGE', facts)
      }
      this.#respond(session, encodeFrame({ id: frame.id, kind: 'response', body, code: '' }))
    } catch (error) {
      const code = codeOf(error) ?? 'BUG'
      const facts = { peer: session.remote, protocol: this.#parts.protocol, code }
      // Only the code travels: a message could name files and peers that are not the asker's
      // business.
      if (code === 'BUG')
        this.#parts.log.error({ ...facts, cause: causeOf(error) }, 'handler failed')
      else this.#parts.log.debug({ ...facts, cause: causeOf(error) }, 'request refused')
      this.#fail(session, frame.id, code)
    }
  }

  #respond(session: Session, frame: Uint8Array): void {
    if (!this.#sessions.has(session)) return
    if (session.writer.push(frame) !== undefined) return
    // Its other answers are still on their way: it may ask again when it has read them.
    const facts = { what: `the buffer to ${session.remote}`, max: OUTBOUND_BUFFER_BYTES_MAX }
    throw new MeshError('OVERLOADED', facts)
  }

  #fail(session: Session, id: number, code: string): void {
    if (!this.#sessions.has(session)) return
    const frame = encodeFrame({ id, kind: 'error', body: NO_BODY, code })
    if (session.writer.push(frame, ERROR_RESERVE_BYTES) !== undefined) return
    // It asks and does not read: what it is owed would grow without end.
    this.#abort(session, 'the asker does not read')
  }

  #abort(session: Session, cause: string): void {
    this.#end(session)
    session.stream.abort(new Error(cause))
  }

  #end(session: Session): void {
    if (this.#sessions.delete(session)) session.writer.close()
  }
}
