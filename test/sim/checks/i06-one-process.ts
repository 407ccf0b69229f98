import { adoptionsOf, heldJob } from '../../../protocol/core/lease-timer.ts'
import type { RegisterValue } from '../../../protocol/core/messages.ts'
import type { Checker, SimEvent } from '../events.ts'
import { type Chosen, Past } from './past.ts'

/**
 * I6, of processes: a witness renews a lease for the one process that its record names, and a lease
 * comes to another process of its holder only by the next adoption in number.
 */
export function checkOneProcess(): Checker {
  const past = new Past()
  const boots = new Boots()
  return (event) => {
    boots.see(event)
    if (event.kind === 'renews') {
      const { store, place, boot } = event
      if (boots.of(store, place) === boot) return
      return `I6: ${store} renews ${place} for a process that was replaced`
    }
    const chosen = past.see(event)
    return chosen && adoptionProblem(chosen, past)
  }
}

/** The boot of the lease in each record, as its store has it in memory. */
class Boots {
  readonly #taken = new Map<string, Map<string, string>>()
  readonly #synced = new Map<string, Map<string, string>>()

  see(event: SimEvent): void {
    if (event.kind === 'takes') this.#note(this.#taken, event, event.value)
    if (event.kind === 'syncs') this.#note(this.#synced, event, event.accepted?.value)
    // What was not synced is forgotten.
    if (event.kind === 'boots') this.#taken.set(event.store, new Map(this.#synced.get(event.store)))
  }

  of(store: string, place: string): string | undefined {
    return this.#taken.get(store)?.get(place)
  }

  #note(
    all: Map<string, Map<string, string>>,
    { store, place }: { readonly store: string; readonly place: string },
    value: RegisterValue | undefined
  ): void {
    const own = all.get(store) ?? new Map<string, string>()
    all.set(store, own.set(place, heldJob(value)?.lease.boot ?? ''))
  }
}

function adoptionProblem({ place, value }: Chosen, past: Past): string | undefined {
  const now = heldJob(value)
  const before = heldJob(past.before(value))
  if (now === undefined || before === undefined || now.epoch !== before.epoch) return
  const [number, earlier] = [adoptionsOf(now.lease), adoptionsOf(before.lease)]
  const isSame = now.lease.boot === before.lease.boot
  if (number === (isSame ? earlier : earlier + 1)) return
  return `I6: ${place} goes from adoption ${earlier} to ${number}`
}
