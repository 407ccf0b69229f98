import { renew } from '../core/acceptor.ts'
import type { RegisterScope, RenewItem, RenewResult } from '../core/messages.ts'
import type { Clock, Digest } from '../core/ports.ts'
import type { WitnessJournal } from './witness-journal.ts'
import type { WitnessRegister, WitnessRegisters } from './witness-registers.ts'
import type { WitnessSet } from './witness-sets.ts'

export interface WitnessRenewalsParts {
  readonly registers: WitnessRegisters
  readonly journal: WitnessJournal
  readonly clock: Clock
  readonly digest: Digest
  /** The set of a register that this witness keeps; undefined for any other scope. */
  readonly scoped: (scope: RegisterScope) => WitnessSet | undefined
}

/**
 * Renews a batch of leases in memory: no ballot and no write, however many (lease-protocol 3, R4).
 * An item that this witness cannot answer for is left out of the reply: its holder counts no word.
 */
export class WitnessRenewals {
  readonly #parts: WitnessRenewalsParts

  constructor(parts: WitnessRenewalsParts) {
    this.#parts = parts
  }

  async renew(remote: string, items: readonly RenewItem[]): Promise<readonly RenewResult[]> {
    const results = await Promise.all(items.map((item) => this.#renewOne(remote, item)))
    return results.filter((result) => result !== undefined)
  }

  async #renewOne(remote: string, item: RenewItem): Promise<RenewResult | undefined> {
    const { registers, journal, clock, digest, scoped } = this.#parts
    const set = scoped(item.scope)
    if (set === undefined) return undefined
    const { register: name, witnessEpoch } = item.scope
    const register: WitnessRegister = await registers.take({ register: name, witnessEpoch })
    try {
      const step = renew(register.state, item, {
        nowMs: clock.bootMs(),
        remote,
        remoteIsMember: true,
        leaseMs: set.profile.leaseMs,
        valueValid: false,
        proposalValid: false,
        digest,
        createValid: false
      })
      register.state = step.state
      // Without this wait a witness could renew an epoch, crash without it, and help to grant the
      // next.
      if (step.durability === 'barrier') await journal.shown(register)
      return step.result
    } finally {
      registers.release(register)
    }
  }
}
