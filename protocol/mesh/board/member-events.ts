import type { Log } from '../../host/log.ts'
import type { BoardEvent } from './board-feed.ts'

/** What changed on the board or in the roster; look there for what it is now. */
export type MemberEvent =
  | BoardEvent
  | { readonly kind: 'agent'; readonly peerId: string }
  | { readonly kind: 'roster' }

/**
 * Tells listeners in the order in which they came; one that throws does not keep it from the
 * others.
 */
export class MemberEvents {
  readonly #listeners = new Set<(event: MemberEvent) => void>()
  readonly #log: Log

  constructor(log: Log) {
    this.#log = log
  }

  on(listener: (event: MemberEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  emit(event: MemberEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event)
      } catch (error) {
        this.#log.error({ err: error, kind: event.kind }, 'listener failed')
      }
    }
  }
}
