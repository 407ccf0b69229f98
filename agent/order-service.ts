import { codeOf } from '../protocol/core/errors.ts'
import type { SealedRoster } from '../protocol/core/roster.ts'
import type { Log } from '../protocol/host/log.ts'
import {
  decodeOrderRequest,
  encodeOrderReply,
  type OrderReply,
  type OrderRequest
} from '../protocol/wire/orders-codec.ts'
import type { MeshOrders } from './orders.ts'

export interface OrderServiceParts {
  readonly orders: Pick<MeshOrders, 'ordered'>
  readonly roster: () => SealedRoster | undefined
  readonly log: Log
}

export interface OrderServiceOptions {
  /** What the owner of this host says of such orders. */
  readonly orders: 'take' | 'refuse'
}

/**
 * Orders that come over the mesh: from members that the authority has made operators, and only
 * where the owner of this host takes any. They can keep this host from jobs, never give it one.
 */
export class OrderService {
  readonly #parts: OrderServiceParts
  readonly #options: OrderServiceOptions

  constructor(parts: OrderServiceParts, options: OrderServiceOptions) {
    this.#parts = parts
    this.#options = options
  }

  /** The handler of PROTOCOLS.orders: only members get through to it. */
  readonly handle = async (remote: string, body: Uint8Array): Promise<Uint8Array> => {
    return encodeOrderReply(this.answer(remote, decodeOrderRequest(body, remote)))
  }

  answer(remote: string, { order, by }: OrderRequest): OrderReply {
    const { log } = this.#parts
    const reply = this.#reply(remote, order)
    const facts = { order, by, peer: remote }
    if (reply.kind === 'taken') log.info({ ...facts, state: reply.state }, 'order taken')
    else log.warn({ ...facts, reason: reply.reason }, 'order refused')
    return reply
  }

  #reply(remote: string, order: OrderRequest['order']): OrderReply {
    const { orders, roster } = this.#parts
    const member = roster()?.roster.members.find(({ peerId }) => peerId === remote)
    if (member?.roles.includes('operator') !== true) return { kind: 'refused', reason: 'role' }
    if (this.#options.orders === 'refuse') return { kind: 'refused', reason: 'owner' }
    try {
      return { kind: 'taken', state: orders.ordered(order) }
    } catch (error) {
      if (codeOf(error) === 'STOPPING') return { kind: 'refused', reason: 'stopping' }
      throw error
    }
  }
}
