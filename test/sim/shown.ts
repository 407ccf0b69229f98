import type { AcceptorState, AcceptRequest } from '../../protocol/core/acceptor.ts'
import { leasedJob } from '../../protocol/core/lease-timer.ts'
import type { Accepted, AnnouncementRef, RegisterReply } from '../../protocol/core/messages.ts'
import type { AcceptorRecord } from '../../protocol/core/ports.ts'
import type { Scene } from './scene.ts'

/** Writes down how much of a record a positive reply shows. */
export function showReply(
  scene: Scene,
  at: { readonly store: string; readonly place: string; readonly madeAtMs: number },
  reply: RegisterReply,
  record: AcceptorRecord
): void {
  switch (reply.kind) {
    case 'promise': {
      const shown = { ...leaseOf(reply), promised: reply.ballot, accepted: reply.accepted?.ballot }
      scene.emit({ kind: 'replies', ...at, what: 'promise', ...shown })
      return
    }
    case 'accepted': {
      const { ballot } = reply
      const shown = { lease: undefined, remainingMs: undefined, promised: ballot, accepted: ballot }
      scene.emit({ kind: 'replies', ...at, what: 'accepted', ...shown })
      return
    }
    case 'value': {
      const { promised, accepted } = record
      const shown = { ...leaseOf(reply), promised, accepted: accepted?.ballot }
      scene.emit({ kind: 'replies', ...at, what: 'value', ...shown })
      return
    }
    default:
      return
  }
}

/** Writes down a promise that is in memory, and the lease in what was accepted by then. */
export function showPromise(
  scene: Scene,
  at: { readonly store: string; readonly place: string; readonly localMs: number },
  { record }: AcceptorState,
  reply: RegisterReply
): void {
  if (reply.kind !== 'promise') return
  const lease = leasedJob(record.accepted?.value)?.lease.claimId
  scene.emit({ kind: 'promises', ...at, ballot: reply.ballot, lease })
}

function leaseOf({
  accepted,
  lease
}: Pick<Extract<RegisterReply, { readonly kind: 'value' }>, 'accepted' | 'lease'>): {
  readonly lease: string | undefined
  readonly remainingMs: number | undefined
} {
  const { claimId } = leasedJob((accepted as Accepted | undefined)?.value)?.lease ?? {}
  return { lease: claimId, remainingMs: lease?.remainingMs }
}

/**
 * With its yes to a holder that brings the value of its own lease a witness owes it the promise of
 * the next round: the holder asks for none.
 */
export function showOwed(
  scene: Scene,
  at: { readonly store: string; readonly place: string; readonly remote: string },
  { ballot, value }: AcceptRequest
): void {
  const { store, place, remote } = at
  if (ballot.peer !== remote || leasedJob(value)?.lease.holder !== remote) return
  scene.emit({ kind: 'owes', store, place, promised: { ...ballot, round: ballot.round + 1 } })
}

/** Writes down whose announcement a register begins with. */
export function showCreate(
  scene: Scene,
  at: { readonly store: string; readonly place: string },
  { gateway, gwSeq }: Pick<AnnouncementRef, 'gateway' | 'gwSeq'>
): void {
  scene.emit({ kind: 'creates', ...at, gateway, gwSeq })
}
