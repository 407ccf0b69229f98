import type { AcceptorState } from '../../protocol/core/acceptor.ts'
import { leasedJob } from '../../protocol/core/lease-timer.ts'
import type { Accepted, RegisterReply } from '../../protocol/core/messages.ts'
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
