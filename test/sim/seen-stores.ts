import type { RegisterReply } from '../../protocol/core/messages.ts'

/** The highest sequence of each store that this process was shown, in memory only (4.8). */
export class SeenStores {
  readonly #highest = new Map<string, number>()

  of(peer: string, storeId: string): number {
    return this.#highest.get(`${peer} ${storeId}`) ?? 0
  }

  note(peer: string, storeId: string, reply: RegisterReply): void {
    const seq = reply.kind === 'synced' ? reply.next : 'wseq' in reply ? reply.wseq : 0
    const name = `${peer} ${storeId}`
    this.#highest.set(name, Math.max(seq, this.#highest.get(name) ?? 0))
  }

  clear(): void {
    this.#highest.clear()
  }
}
