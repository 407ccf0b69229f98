import { renew } from '../../core/acceptor.ts'
import { codeOf } from '../../core/errors.ts'
import { answerMs } from '../../core/lease-profile.ts'
import type { RegisterScope, RenewItem, RenewResult } from '../../core/messages.ts'
import type { Clock, Digest } from '../../core/ports.ts'
import { waitAtMost } from '../bounds/pause.ts'
import type { WitnessSet } from '../members/witness-sets.ts'
import type { Floors } from './floors.ts'
import type { WitnessJournal } from './witness-journal.ts'
import type { WitnessRegister, WitnessRegisters } from './witness-registers.ts'

export interface WitnessRenewalsParts {
  readonly registers: WitnessRegisters
  readonly journal: WitnessJournal
  readonly floors: Pick<Floors, 'of'>
  readonly clock: Clock
  /** Boot time for what this peer asks. */
  readonly nowMs: (remote: string) => number
  readonly digest: Digest
  /** The set of a register that this witness keeps; undefined for any other scope. */
  readonly scoped: (scope: RegisterScope) => WitnessSet | undefined
}

interface Asked {
  readonly item: RenewItem
  readonly set: WitnessSet
}

/**
 * Renews a batch of leases in memory: no ballot and no write, however many (lease-protocol 3, R4).
 * An item that this witness cannot answer for, or not in time, is left out of the reply: its holder
 * counts no word, and one register with a slow disk silences no other (F23).
 */
export class WitnessRenewals {
  readonly #parts: WitnessRenewalsParts

  constructor(parts: WitnessRenewalsParts) {
    this.#parts = parts
  }

  async renew(remote: string, items: readonly RenewItem[]): Promise<readonly RenewResult[]> {
    const asked = items.flatMap((item): readonly Asked[] => {
      const set = this.#parts.scoped(item.scope)
      return set === undefined ? [] : [{ item, set }]
    })
    if (asked.length === 0) return []
    const results = asked.map((): RenewResult | undefined => undefined)
    const answers = asked.map(async (one, index) => {
      results[index] = await this.#answer(remote, one)
    })
    const ms = Math.min(...asked.map(({ set }) => answerMs(set.profile)))
    await waitAtMost(this.#parts.clock, ms, Promise.all(answers))
    return results.filter((result) => result !== undefined)
  }

  /** Undefined where there is no place for the register, or its write was refused. */
  async #answer(remote: string, asked: Asked): Promise<RenewResult | undefined> {
    try {
      return await this.#renewOne(remote, asked)
    } catch (error) {
      if (codeOf(error) === 'OVERLOADED') return undefined
      throw error
    }
  }

  async #renewOne(remote: string, { item, set }: Asked): Promise<RenewResult> {
    const { registers, journal, nowMs, digest } = this.#parts
    const { register: name, witnessEpoch } = item.scope
    const register: WitnessRegister = await registers.take({ register: name, witnessEpoch })
    try {
      const step = renew(register.state, item, {
        nowMs: nowMs(remote),
        remote,
        remoteIsMember: true,
        leaseMs: set.profile.leaseMs,
        valueValid: false,
        proposalValid: false,
        digest,
        createValid: false,
        floorOf: (gateway) => this.#parts.floors.of(gateway),
        announced: undefined
      })
      register.state = step.state
      // Without this wait a witness could renew an epoch, crash without it, and help to grant the
      // next.
      if (step.durability === 'barrier') await journal.acceptedShown(register)
      return step.result
    } finally {
      registers.release(register)
    }
  }
}
