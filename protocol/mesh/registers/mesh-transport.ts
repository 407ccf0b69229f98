import { MeshError } from '../../core/errors.ts'
import type { RegisterReply, RegisterRequest } from '../../core/messages.ts'
import type { Clock, RequestOptions, Transport } from '../../core/ports.ts'
import { PROTOCOLS } from '../../wire/ids.ts'
import { decodeRegisterReply, encodeRegisterRequest } from '../../wire/register-codec.ts'
import type { MeshNode } from '../links/node.ts'
import type { SeenSequences } from './seen-sequences.ts'

export interface MeshTransportParts {
  readonly node: Pick<MeshNode, 'peerId' | 'request'>
  readonly clock: Clock
  /** Told what each reply shows of the store that was asked. */
  readonly seen: Pick<SeenSequences, 'note'>
  /** The witness in this process. */
  readonly local: (request: RegisterRequest) => Promise<RegisterReply>
}

/**
 * Register requests over the node's request streams. Our own witness is asked in this process: the
 * network would cost it a round trip, and a gateway cut off from everybody could not reach itself.
 */
export class MeshTransport implements Transport {
  readonly peerId: string
  readonly #parts: MeshTransportParts

  constructor(parts: MeshTransportParts) {
    this.peerId = parts.node.peerId
    this.#parts = parts
  }

  /** Rejects as MeshNode.request does, and with MESSAGE_INVALID for a reply that is none. */
  async request(
    peer: string,
    message: RegisterRequest,
    options: RequestOptions
  ): Promise<RegisterReply> {
    if (peer === this.peerId) return await this.#askLocal(message, options)
    const body = encodeRegisterRequest(message)
    const answer = await this.#parts.node.request(peer, PROTOCOLS.register, body, options)
    const reply = decodeRegisterReply(answer, peer)
    this.#parts.seen.note(peer, message, reply)
    return reply
  }

  // With the same limits as anybody: a disk that hangs must not hang whoever asks.
  #askLocal(message: RegisterRequest, options: RequestOptions): Promise<RegisterReply> {
    const { timeoutMs, signal } = options
    const { promise, resolve, reject } = Promise.withResolvers<RegisterReply>()
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    const abort = () => reject(signal?.reason)
    signal?.addEventListener('abort', abort, { once: true })
    const disarm = this.#parts.clock.arm(timeoutMs, () => {
      reject(new MeshError('REQUEST_TIMED_OUT', { peer: this.peerId, timeoutMs }))
    })
    this.#parts.local(message).then(resolve, reject)
    return promise.finally(() => {
      disarm()
      signal?.removeEventListener('abort', abort)
    })
  }
}
