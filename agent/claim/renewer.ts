import type { Clock } from '../../protocol/core/ports.ts'
import type { Log } from '../../protocol/host/log.ts'
import type { HeldLease, Registers, RenewOutcome } from './ports.ts'

interface Wish {
  readonly item: HeldLease
  readonly settle: (outcome: RenewOutcome | undefined) => void
}

/** Gathers the renewals of one moment into one round: one message a witness, however many jobs. */
export class Renewer {
  readonly #registers: Registers
  readonly #clock: Clock
  readonly #log: Log
  #wishes: Wish[] = []

  constructor(parts: { readonly registers: Registers; readonly clock: Clock; readonly log: Log }) {
    this.#registers = parts.registers
    this.#clock = parts.clock
    this.#log = parts.log
  }

  /** The round's answer for this lease; undefined where the round failed as a whole. */
  renew(item: HeldLease): Promise<RenewOutcome | undefined> {
    return new Promise((settle) => {
      this.#wishes.push({ item, settle })
      if (this.#wishes.length === 1) this.#clock.arm(0, () => void this.#round())
    })
  }

  async #round(): Promise<void> {
    const wishes = this.#wishes
    this.#wishes = []
    try {
      const outcomes = await this.#registers.renew(wishes.map(({ item }) => item))
      const byJob = new Map(outcomes.map((outcome) => [outcome.jobId, outcome]))
      for (const { item, settle } of wishes) settle(byJob.get(item.jobId))
    } catch (error) {
      this.#log.warn({ err: error }, 'renewal round failed')
      for (const { settle } of wishes) settle(undefined)
    }
  }
}
