/**
 * Where a stranger can come in: an invite that is open, or that this very stranger has used. The
 * second is for who used it just before the inviter crashed, and is in no roster yet.
 */
export interface Door {
  readonly isOpen: (peerId: string) => boolean
}

/** The one host that a host without a roster may speak to: who invited it. */
export interface Inviter {
  readonly peerId: string
  /** Multiaddrs without /p2p. */
  readonly addresses: readonly string[]
  /** Called when a dial has proven that it is there, whether or not it then lets us in. */
  readonly onProven: () => void
}

/** How a node meets peers that no roster names; neither is what most nodes have. */
export interface Introductions {
  readonly door?: Door | undefined
  readonly inviter?: Inviter | undefined
}

/**
 * The strangers that came in while the door was open: each may end what it came for, also when the
 * door closes behind another one.
 */
export class Guests {
  readonly #connections = new Map<string, number>()

  has(peerId: string): boolean {
    return this.#connections.has(peerId)
  }

  enter(peerId: string): void {
    this.#connections.set(peerId, (this.#connections.get(peerId) ?? 0) + 1)
  }

  leave(peerId: string): void {
    const left = (this.#connections.get(peerId) ?? 0) - 1
    if (left > 0) this.#connections.set(peerId, left)
    else this.#connections.delete(peerId)
  }
}
