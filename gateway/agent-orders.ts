import type { AgentState } from '../protocol/core/agent-state.ts'
import { MeshError } from '../protocol/core/errors.ts'
import { ORDER_REQUEST_MS_MAX } from '../protocol/core/order-limits.ts'
import type { MeshNode } from '../protocol/mesh/links/node.ts'
import { PROTOCOLS } from '../protocol/wire/ids.ts'
import {
  type AgentOrder,
  decodeOrderReply,
  encodeOrderRequest
} from '../protocol/wire/orders-codec.ts'

/** An agent of the roster. */
export interface OrderedAgent {
  readonly peerId: string
  readonly name: string
}

/** Resolves with the state that the agent has from then on. */
export type OrderAgent = (agent: OrderedAgent, order: AgentOrder, by: string) => Promise<AgentState>

/**
 * Tells agents to take no new jobs, or to take them again, in the name of this gateway. Rejects
 * with ORDER_REFUSED, and as requests do where the agent cannot be reached.
 */
export function agentOrdersOf(node: Pick<MeshNode, 'request'>): OrderAgent {
  return async ({ peerId, name }, order, by) => {
    const body = encodeOrderRequest({ order, by })
    const options = { timeoutMs: ORDER_REQUEST_MS_MAX }
    const reply = decodeOrderReply(
      await node.request(peerId, PROTOCOLS.orders, body, options),
      peerId
    )
    if (reply.kind === 'taken') return reply.state
    throw new MeshError('ORDER_REFUSED', { agent: name, order, reason: reply.reason })
  }
}
