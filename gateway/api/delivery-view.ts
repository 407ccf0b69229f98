import { MeshError } from '../../protocol/core/errors.ts'
import type { Delivery, DeliverySummary } from '../../protocol/store/inbox-store.ts'
import { commitOf, eventOf, pusherOf } from '../source-event.ts'
import type {
  DeliveryDetail,
  DeliveryDocument,
  DeliveryPageDocument,
  DeliveryQuery
} from './delivery-schemas.ts'
import type { ApiParts } from './parts.ts'

/** Newest first. Throws REQUEST_INVALID for a cursor that is none. */
export async function deliveryPage(
  { inbox }: Pick<ApiParts, 'inbox'>,
  query: DeliveryQuery
): Promise<DeliveryPageDocument> {
  const { repository, state: states, limit, cursor } = query
  const isWanted = (summary: DeliverySummary): boolean => {
    if (repository !== undefined && summary.repository !== repository) return false
    return states?.includes(summary.state) ?? true
  }
  const { deliveries, next } = await inbox.list(limit, cursor, isWanted)
  return {
    deliveries: deliveries.map(deliveryDocument),
    next: next === undefined ? null : String(next)
  }
}

/** One of them, with what it says. Throws DELIVERY_UNKNOWN. */
export async function deliveryDetail(
  { inbox }: Pick<ApiParts, 'inbox'>,
  id: string
): Promise<DeliveryDetail> {
  const delivery = await inbox.get(deliveryKeyOf(id))
  if (delivery === undefined) throw new MeshError('DELIVERY_UNKNOWN', { id })
  return { ...deliveryDocument(delivery), event: eventView(delivery) }
}

/** The key in the inbox; text that is no id leads to a key that nothing has. */
export function deliveryKeyOf(id: string): string {
  return Buffer.from(id, 'base64url').toString('utf8')
}

function deliveryDocument(summary: DeliverySummary): DeliveryDocument {
  const { key, deliveryId, repository, runId, receivedAtMs, state, reason, approvedBy } = summary
  return {
    // A key has slashes: as it is it would be no part of a path behind every proxy.
    id: Buffer.from(key).toString('base64url'),
    delivery: deliveryId,
    repository,
    run: runId === '' ? null : runId,
    receivedAt: new Date(receivedAtMs).toISOString(),
    state,
    reason: reason === '' ? null : reason,
    approvedBy: approvedBy === undefined || approvedBy === '' ? null : approvedBy
  }
}

function eventView(delivery: Delivery): DeliveryDetail['event'] {
  const event = eventOf(delivery)
  const number = event.kind === 'pull_request' ? event.number : null
  const pusher = pusherOf(event)
  return { kind: event.kind, ref: event.ref, commit: commitOf(event), number, pusher }
}
