import type { RegisterValue } from '../../../protocol/core/messages.ts'
import type { SimEvent } from '../events.ts'

export type Chosen = Extract<SimEvent, { readonly kind: 'chosen' }>

/** Every value that was ever proposed, by its digest: which was made from which. */
export class Past {
  readonly #values = new Map<string, RegisterValue>()

  /** The event, where it says that a value is chosen. */
  see(event: SimEvent): Chosen | undefined {
    if (event.kind !== 'proposes' && event.kind !== 'chosen') return
    this.#values.set(event.hash, event.value)
    return event.kind === 'chosen' ? event : undefined
  }

  /** The value that this one was made from; undefined for the first. */
  before(value: RegisterValue): RegisterValue | undefined {
    return this.#values.get(value.prevHash)
  }

  /** The value and all before it, newest first. */
  *chain(newest: RegisterValue): Generator<RegisterValue> {
    for (let at: RegisterValue | undefined = newest; at; at = this.before(at)) yield at
  }
}
