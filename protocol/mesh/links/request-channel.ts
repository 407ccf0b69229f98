import type { Stream } from '@libp2p/interface'
import { causeOf, MeshError } from '../../core/errors.ts'
import {
  DIAL_MS_MAX,
  FRAME_BYTES_MAX,
  OUTBOUND_BUFFER_BYTES_MAX,
  REQUESTS_ABANDONED_MAX,
  REQUESTS_IN_FLIGHT_MAX
} from '../../core/limits.ts'
import type { Clock, RequestOptions } from '../../core/ports.ts'
import { decodeFrame, encodeFrame } from '../../wire/frame.ts'
import { FrameReader } from './frame-reader.ts'
import { FrameWriter, type OutboundBudget, type QueuedFrame } from './frame-writer.ts'

/** Ids travel in 32 bits; a stream that has used them all is replaced. */
const ID_MAX = 4_294_967_295

export interface RequestChannelParts {
  readonly peer: string
  readonly clock: Clock
  readonly budget: OutboundBudget
  /** Opens a stream to the peer, over a new connection where there is none. */
  readonly open: (signal: AbortSignal) => Promise<Stream>
}

interface Pending {
  readonly queued: QueuedFrame
  readonly resolve: (body: Uint8Array) => void
  readonly reject: (error: unknown) => void
  /** Ends its timer and its listening to the caller's signal. */
  readonly release: () => void
}

/**
 * All requests to one peer on one protocol, over one stream. The stream is opened for the first
 * request, and again for the first one after it broke; what was in flight then fails.
 */
export class RequestChannel {
  readonly #parts: RequestChannelParts
  readonly #writer: FrameWriter
  readonly #pending = new Map<number, Pending>()
  /** Ids given up here whose answers may still come: those are no offence. */
  readonly #abandoned = new Set<number>()
  #lastId = 0
  #stream: Stream | undefined
  #opening: AbortController | undefined

  constructor(parts: RequestChannelParts) {
    this.#parts = parts
    this.#writer = new FrameWriter(parts.budget)
  }

  get inFlight(): number {
    return this.#pending.size
  }

  request(body: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      // In order: a refused request leaves no trace, and nothing after #add can fail.
      options.signal?.throwIfAborted()
      const { id, queued } = this.#enqueue(body)
      const end = (error: unknown): void => this.#abandon(id, error)
      const disarm = this.#parts.clock.arm(options.timeoutMs, () => end(this.#lateness(options)))
      const onAbort = (): void => end(options.signal?.reason)
      options.signal?.addEventListener('abort', onAbort, { once: true })
      const release = (): void => {
        disarm()
        options.signal?.removeEventListener('abort', onAbort)
      }
      this.#pending.set(id, { queued, resolve, reject, release })
      if (this.#stream === undefined) void this.#open()
    })
  }

  /** Fails what is in flight and lets the stream go; the channel is not used again. */
  close(cause: string): void {
    this.#opening?.abort()
    this.#drop(this.#unreachable(cause))
    this.#writer.close()
  }

  #enqueue(body: Uint8Array): { id: number; queued: QueuedFrame } {
    const what = `the stream to ${this.#parts.peer}`
    if (this.#pending.size >= REQUESTS_IN_FLIGHT_MAX) {
      throw new MeshError('OVERLOADED', { what, max: REQUESTS_IN_FLIGHT_MAX })
    }
    if (body.length > FRAME_BYTES_MAX) {
      const facts = { what: 'the request', bytes: body.length, max: FRAME_BYTES_MAX }
      throw new MeshError('MESSAGE_TOO_LARGE', facts)
    }
    if (this.#lastId === ID_MAX) this.#drop(this.#unreachable('its stream was replaced'))
    const id = this.#lastId + 1
    const frame = encodeFrame({ id, kind: 'request', body, code: '' })
    const queued = this.#writer.push(frame)
    if (queued === undefined) {
      throw new MeshError('OVERLOADED', { what, max: OUTBOUND_BUFFER_BYTES_MAX })
    }
    this.#lastId = id
    return { id, queued }
  }

  /** Never rejects: a stream that does not come fails the requests that wait for it. */
  async #open(): Promise<void> {
    if (this.#opening !== undefined) return
    const opening = new AbortController()
    this.#opening = opening
    const disarm = this.#parts.clock.arm(DIAL_MS_MAX, () => opening.abort())
    try {
      const stream = await this.#parts.open(opening.signal)
      this.#opening = undefined
      this.#adopt(stream, opening)
    } catch (error) {
      // Cleared before the waiting requests fail: the first of them to try again opens anew.
      this.#opening = undefined
      this.#drop(error instanceof MeshError ? error : this.#unreachable(causeOf(error), error))
    } finally {
      disarm()
    }
  }

  #adopt(stream: Stream, opening: AbortController): void {
    // Closed while the stream was on its way: nobody would ever end it.
    if (opening.signal.aborted) {
      stream.abort(new Error('no longer wanted'))
      this.#drop(this.#unreachable('no stream in time'))
      return
    }
    this.#stream = stream
    const reader = new FrameReader(this.#parts.peer)
    const onClose = (cause: string): void => {
      if (this.#stream === stream) this.#drop(this.#unreachable(cause))
    }
    // A listener, not the iterator: that one costs a promise and a queue entry a chunk.
    stream.addEventListener('message', (event) => {
      this.#receive(stream, reader, event.data.subarray())
    })
    stream.addEventListener('close', (event) => onClose(event.error?.message ?? 'stream closed'))
    stream.addEventListener('remoteCloseWrite', () => onClose('it closed the stream'))
    if (stream.status !== 'open') onClose('stream closed')
    else this.#writer.attach(stream)
  }

  #receive(stream: Stream, reader: FrameReader, chunk: Uint8Array): void {
    try {
      for (const bytes of reader.push(chunk)) this.#answer(bytes)
    } catch (error) {
      // Whatever follows a frame that makes no sense makes none either. Closing fails the rest.
      stream.abort(error instanceof Error ? error : new Error(causeOf(error)))
    }
  }

  #answer(bytes: Uint8Array): void {
    const frame = decodeFrame(bytes, this.#parts.peer)
    if (this.#abandoned.delete(frame.id)) return
    const pending = this.#pending.get(frame.id)
    if (pending === undefined || frame.kind === 'request') {
      const problem = `it answered request ${frame.id}, which is not in flight`
      throw new MeshError('MESSAGE_INVALID', { peer: this.#parts.peer, problem })
    }
    this.#pending.delete(frame.id)
    pending.release()
    if (frame.kind === 'response') pending.resolve(frame.body)
    else pending.reject(this.#errorOf(frame.code))
  }

  #errorOf(code: string): MeshError {
    const { peer } = this.#parts
    return code === 'OVERLOADED'
      ? new MeshError('OVERLOADED', { what: `peer ${peer}`, max: REQUESTS_IN_FLIGHT_MAX })
      : new MeshError('REQUEST_REFUSED', { peer, refusal: code })
  }

  #abandon(id: number, error: unknown): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    this.#pending.delete(id)
    pending.release()
    this.#writer.withdraw(pending.queued)
    pending.reject(error)
    this.#abandoned.add(id)
    if (this.#abandoned.size <= REQUESTS_ABANDONED_MAX) return
    this.#drop(this.#unreachable(`it owes ${REQUESTS_ABANDONED_MAX} answers`))
  }

  /** Ends the stream, if there is one, and fails everything in flight. */
  #drop(error: MeshError): void {
    const stream = this.#stream
    this.#stream = undefined
    this.#writer.detach()
    stream?.abort(error)
    const all = [...this.#pending.values()]
    this.#pending.clear()
    this.#abandoned.clear()
    this.#lastId = 0
    for (const pending of all) {
      pending.release()
      this.#writer.withdraw(pending.queued)
      pending.reject(error)
    }
  }

  #lateness(options: RequestOptions): MeshError {
    const { peer } = this.#parts
    // Never sent is another fact than sent and not answered: the first had no effect for certain.
    if (this.#stream === undefined) return this.#unreachable(`no stream in ${options.timeoutMs} ms`)
    return new MeshError('REQUEST_TIMED_OUT', { peer, timeoutMs: options.timeoutMs })
  }

  #unreachable(cause: string, error?: unknown): MeshError {
    const facts = { peer: this.#parts.peer, cause }
    return new MeshError('PEER_UNREACHABLE', facts, error === undefined ? {} : { cause: error })
  }
}
