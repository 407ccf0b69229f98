import type { RegisterReply } from '../../protocol/core/messages.ts'
import type { AcceptorRecord } from '../../protocol/core/ports.ts'
import type { Scene } from './scene.ts'

/** Writes down how much of a record a positive reply shows. */
export function showReply(
  scene: Scene,
  at: { readonly store: string; readonly place: string },
  reply: RegisterReply,
  record: AcceptorRecord
): void {
  switch (reply.kind) {
    case 'promise': {
      const { ballot: promised, accepted } = reply
      scene.emit({ kind: 'replies', ...at, what: 'promise', promised, accepted: accepted?.ballot })
      return
    }
    case 'accepted': {
      const { ballot } = reply
      scene.emit({ kind: 'replies', ...at, what: 'accepted', promised: ballot, accepted: ballot })
      return
    }
    case 'value': {
      const { promised, accepted } = record
      scene.emit({ kind: 'replies', ...at, what: 'value', promised, accepted: accepted?.ballot })
      return
    }
    default:
      return
  }
}
