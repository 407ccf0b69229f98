import type { AgentState } from '../core/agent-state.ts'
import { NAME_CHARACTERS_MAX } from '../core/limits.ts'
import { loose, messageCodec } from './codec.ts'
import { line, need } from './fields.ts'
import * as wire from './generated/orders.ts'
import { names } from './names.ts'

/** `pause` and `drain` both take no new jobs; a draining agent is about to be taken away. */
export type AgentOrder = 'pause' | 'resume' | 'drain'

export interface OrderRequest {
  readonly order: AgentOrder
  /** Who asked for it, one line: for the agent's log. */
  readonly by: string
}

/** Without the role `operator`, against the owner's `orders: refuse`, or about to end. */
export type OrderRefusal = 'role' | 'owner' | 'stopping'

export type OrderReply =
  | { readonly kind: 'taken'; readonly state: AgentState }
  | { readonly kind: 'refused'; readonly reason: OrderRefusal }

const ENVELOPE_BYTES_MAX = 1_024

const orders = names<AgentOrder, wire.Order>('order', {
  pause: wire.Order.ORDER_PAUSE,
  resume: wire.Order.ORDER_RESUME,
  drain: wire.Order.ORDER_DRAIN
})

const states = names<AgentState, wire.OrderedState>('state', {
  starting: wire.OrderedState.ORDERED_STATE_STARTING,
  idle: wire.OrderedState.ORDERED_STATE_IDLE,
  busy: wire.OrderedState.ORDERED_STATE_BUSY,
  paused: wire.OrderedState.ORDERED_STATE_PAUSED,
  draining: wire.OrderedState.ORDERED_STATE_DRAINING
})

const refusals = names<OrderRefusal, wire.OrderRefusal>('reason', {
  role: wire.OrderRefusal.ORDER_REFUSAL_ROLE,
  owner: wire.OrderRefusal.ORDER_REFUSAL_OWNER,
  stopping: wire.OrderRefusal.ORDER_REFUSAL_STOPPING
})

const requests = messageCodec<OrderRequest, wire.OrderRequest>({
  what: 'order',
  generated: wire.OrderRequest,
  limits: {},
  bytesMax: ENVELOPE_BYTES_MAX,
  toWire: ({ order, by }) => ({ order: orders.toWire(order), by: who(by) }),
  fromWire: ({ order, by }) => ({ order: orders.fromWire(order), by: who(by) })
})

const replies = messageCodec<OrderReply, wire.OrderReply>({
  what: 'answer to an order',
  generated: wire.OrderReply,
  limits: {},
  bytesMax: ENVELOPE_BYTES_MAX,
  toWire: (reply) =>
    loose<wire.OrderReply>(
      reply.kind === 'taken'
        ? { taken: { state: states.toWire(reply.state) } }
        : { refused: { reason: refusals.toWire(reply.reason) } }
    ),
  fromWire: ({ taken, refused }) => {
    if (taken !== undefined) return { kind: 'taken', state: states.fromWire(taken.state) }
    return { kind: 'refused', reason: refusals.fromWire(need(refused, 'reply').reason) }
  }
})

/** Throws MESSAGE_INVALID, MESSAGE_TOO_LARGE, as all of these do. */
export function encodeOrderRequest(request: OrderRequest): Uint8Array {
  return requests.encode(request)
}

export function decodeOrderRequest(bytes: Uint8Array, from?: string): OrderRequest {
  return requests.decode(bytes, from)
}

export function encodeOrderReply(reply: OrderReply): Uint8Array {
  return replies.encode(reply)
}

export function decodeOrderReply(bytes: Uint8Array, from?: string): OrderReply {
  return replies.decode(bytes, from)
}

function who(by: string): string {
  return line(by, NAME_CHARACTERS_MAX, 'by')
}
