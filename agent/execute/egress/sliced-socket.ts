import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { EGRESS_SLICE_BYTES_MAX } from '../../../protocol/core/egress-limits.ts'
import { linger } from './linger.ts'

/** An empty line, behind which another request may begin. */
const HEAD_END = /\n\r?\n/

/**
 * A job's connection as the HTTP parser sees it. The parser reads all it is given at once,
 * thousands of requests in one read, so it is given little at a time, one head at most, one piece
 * in a turn of the event loop, and nothing while an answer is owed. What waits is one read at most,
 * the rest is left in the kernel.
 */
export class SlicedSocket extends Duplex {
  readonly #raw: Socket
  readonly #headMs: number
  readonly #onData = (chunk: Buffer): void => this.#take(chunk)
  readonly #onEnd = (): void => {
    this.#hasEnded = true
    this.#pump()
  }

  readonly #onError = (error: Error): void => void this.destroy(error)
  readonly #onClose = (): void => void this.destroy()
  readonly #onTimeout = (): void => void this.emit('timeout')
  /** Read and not given to the parser yet. */
  #rest: Buffer = Buffer.alloc(0)
  /** The last two characters of a head that has begun: its empty line may be cut anywhere. */
  #tail = ''
  #hasEnded = false
  #isWanted = false
  /** Released or destroyed: what comes now is nobody's, or another one's. */
  #isOver = false
  #isLingering = false
  #turn: NodeJS.Immediate | undefined
  #headTimer: NodeJS.Timeout | undefined
  #request: IncomingMessage | undefined

  constructor(raw: Socket, headMs: number) {
    super({ readableHighWaterMark: EGRESS_SLICE_BYTES_MAX })
    this.#raw = raw
    this.#headMs = headMs
    raw.on('data', this.#onData).on('end', this.#onEnd)
    raw.on('error', this.#onError).on('close', this.#onClose).on('timeout', this.#onTimeout)
    this.#awaitHead()
  }

  /** False for a request that came while another one's answer is owed: that ends the connection. */
  begin(request: IncomingMessage): boolean {
    clearTimeout(this.#headTimer)
    this.#headTimer = undefined
    this.#tail = ''
    if (this.#request !== undefined || this.destroyed) {
      this.destroy()
      return false
    }
    this.#request = request
    return true
  }

  /** The answer is whole. */
  answered(): void {
    this.#request = undefined
    this.#pump()
  }

  /** The connection itself, and what was read of it beyond what the parser used up. */
  release(unused: Buffer): { readonly raw: Socket; readonly head: Buffer } {
    const head = Buffer.concat([unused, this.read() ?? Buffer.alloc(0), this.#rest])
    this.#detach()
    return { raw: this.#raw, head }
  }

  /** Ends the connection with these words, once the client has had its time to read them. */
  leave(lastWords: string): void {
    if (this.#raw.writable) this.#linger(lastWords)
    else this.destroy()
  }

  /** The server sets this while it waits for the next request. */
  setTimeout(ms: number): this {
    this.#raw.setTimeout(ms)
    return this
  }

  /** Likewise once the last answer of a connection is written. */
  destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished) this.#linger('')
    else this.once('finish', () => this.#linger(''))
  }

  override _read(): void {
    this.#isWanted = true
    this.#pump()
  }

  override _write(
    chunk: Buffer,
    _encoding: BufferEncoding,
    done: (e?: Error | null) => void
  ): void {
    this.#raw.write(chunk, done)
  }

  override _final(done: () => void): void {
    this.#raw.end(done)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#stop()
    if (!this.#isLingering) this.#raw.destroy()
    done(error)
  }

  /** To the parser it is over at once: what still comes is for nobody. */
  #linger(lastWords: string): void {
    if (this.#isOver) return
    this.#isLingering = true
    this.#detach()
    linger(this.#raw, lastWords)
    this.destroy()
  }

  #detach(): void {
    const raw = this.#raw
    raw.pause()
    raw.off('data', this.#onData).off('end', this.#onEnd)
    raw.off('error', this.#onError).off('close', this.#onClose).off('timeout', this.#onTimeout)
    raw.setTimeout(0)
    this.#stop()
  }

  #take(chunk: Buffer): void {
    this.#raw.pause()
    this.#rest = chunk
    this.#pump()
  }

  #pump(): void {
    if (this.#isOver) return
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined
      this.#slice()
    })
  }

  #slice(): void {
    if (!this.#isWanted) return
    if (this.#rest.length === 0) {
      if (this.#hasEnded) this.push(null)
      // Also while an answer is owed, or nobody would see that the job's program is gone.
      else this.#raw.resume()
      return
    }
    if (this.#request?.complete === true) return
    const length = this.#request === undefined ? this.#headPart() : EGRESS_SLICE_BYTES_MAX
    const slice = this.#rest.subarray(0, length)
    this.#rest = this.#rest.subarray(length)
    this.#isWanted = false
    this.push(slice)
  }

  /** Bytes up to the end of one head, so that what is behind it is not parsed with it. */
  #headPart(): number {
    this.#awaitHead()
    const text = this.#tail + this.#rest.toString('latin1', 0, EGRESS_SLICE_BYTES_MAX)
    const end = HEAD_END.exec(text)
    const length = end === null ? text.length : end.index + end[0].length
    const part = length - this.#tail.length
    this.#tail = end === null ? text.slice(-2) : ''
    return part
  }

  #awaitHead(): void {
    if (this.#headTimer !== undefined) return
    this.#headTimer = setTimeout(() => this.destroy(), this.#headMs)
    this.#headTimer.unref()
  }

  #stop(): void {
    this.#isOver = true
    clearTimeout(this.#headTimer)
    clearImmediate(this.#turn)
    this.#rest = Buffer.alloc(0)
  }
}
