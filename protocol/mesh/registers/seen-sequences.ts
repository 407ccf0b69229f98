import { MEMBERS_MAX } from '../../core/limits.ts'
import type { RegisterReply, RegisterRequest } from '../../core/messages.ts'
import { Lru } from '../bounds/lru.ts'

/**
 * The highest sequence (wseq) of each witness's store that this process was shown (lease-protocol
 * 4.8). Each witness is told its own: one that has less was set back to an old copy of its data. By
 * peer and store, so that nobody can speak of another one's store.
 */
export class SeenSequences {
  readonly #highest = new Lru<string, number>(MEMBERS_MAX)

  /** 0 where none was shown. */
  of(peerId: string, storeId: string): number {
    return this.#highest.get(nameOf(peerId, storeId)) ?? 0
  }

  /** Takes note of what a reply shows of the store that was asked. */
  note(peerId: string, request: RegisterRequest, reply: RegisterReply): void {
    const [storeId, seq] = [storeOf(request), sequenceIn(reply)]
    if (storeId === undefined || seq <= this.of(peerId, storeId)) return
    this.#highest.set(nameOf(peerId, storeId), seq)
  }
}

function storeOf(request: RegisterRequest): string | undefined {
  if (request.kind === 'sync') return request.storeId
  return 'scope' in request ? request.scope.storeId : undefined
}

function sequenceIn(reply: RegisterReply): number {
  if (reply.kind === 'synced') return reply.next
  return 'wseq' in reply ? reply.wseq : 0
}

function nameOf(peerId: string, storeId: string): string {
  return `${peerId} ${storeId}`
}
