import type { AcceptorState } from '../../core/acceptor.ts'
import { leasedJob, remainingMs } from '../../core/lease-timer.ts'
import { LEASE_SWEEP_MS, REANNOUNCE_MS_MAX } from '../../core/limits.ts'
import type { Hint } from '../../core/messages.ts'
import type { Clock, RecordKey } from '../../core/ports.ts'

/** A register in memory; the same object as long as it stays there. */
export interface LeasedRegister {
  readonly key: RecordKey
  readonly state: AcceptorState
}

export interface LeasedRegisters {
  leased(): Iterable<LeasedRegister>
}

interface Said {
  readonly version: number
  readonly nextAtMs: number
  readonly pauseMs: number
  readonly times: number
}

/** Milliseconds before an expiry is told again; doubles up to REANNOUNCE_MS_MAX. */
const REPEAT_MS_MIN = 5_000

/**
 * Tells which leases have run out by this witness's own timers, so that agents need not find out by
 * asking. A hint only: the claim that follows still needs a quorum of witnesses to agree.
 */
export class LeaseSweep {
  readonly #registers: LeasedRegisters
  readonly #clock: Clock
  readonly #onExpired: (hint: Hint, repeat: number) => void
  #said = new Map<LeasedRegister, Said>()
  #cancel: (() => void) | undefined

  constructor(
    parts: { readonly registers: LeasedRegisters; readonly clock: Clock },
    onExpired: (hint: Hint, repeat: number) => void
  ) {
    this.#registers = parts.registers
    this.#clock = parts.clock
    this.#onExpired = onExpired
  }

  start(): void {
    this.#cancel = this.#clock.arm(LEASE_SWEEP_MS, () => {
      this.#sweep()
      this.start()
    })
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  #sweep(): void {
    const nowMs = this.#clock.bootMs()
    const said = new Map<LeasedRegister, Said>()
    for (const register of this.#registers.leased()) {
      const { timer, record } = register.state
      const job = leasedJob(record.accepted?.value)
      if (job === undefined || remainingMs(job, timer, nowMs) > 0) continue
      said.set(register, this.#say(register, job.version, nowMs))
    }
    // What is no longer expired is forgotten with the old map.
    this.#said = said
  }

  #say(register: LeasedRegister, version: number, nowMs: number): Said {
    const before = this.#said.get(register)
    const isNew = before === undefined || before.version !== version
    if (!isNew && nowMs < before.nextAtMs) return before
    const pauseMs = isNew ? REPEAT_MS_MIN : Math.min(before.pauseMs * 2, REANNOUNCE_MS_MAX)
    const times = isNew ? 0 : before.times + 1
    this.#onExpired({ ...register.key, version }, times)
    return { version, pauseMs, times, nextAtMs: nowMs + pauseMs }
  }
}
