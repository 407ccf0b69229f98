import type { Advertisement } from '../protocol/core/advertisement.ts'
import { ADVERTISE_EVERY_MS, ADVERTISE_EVERY_MS_MIN } from '../protocol/core/limits.ts'
import type { Clock, Random } from '../protocol/core/ports.ts'
import type { Log } from '../protocol/host/log.ts'

/**
 * How far one wait may be from ADVERTISE_EVERY_MS: a rack that boots together must not speak as
 * one.
 */
const SPREAD = 0.2

export type Statement = Omit<Advertisement, 'sequence' | 'sentAtMs' | 'leaving'>

export interface AdvertiserParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** What the agent is and has free, now. */
  state(): Promise<Statement>
  send(advertisement: Advertisement): Promise<void>
}

/**
 * Sends the agent's advertisement on every change, at most once in ADVERTISE_EVERY_MS_MIN, and
 * again every ADVERTISE_EVERY_MS +- 20 %: deliveries grow with the square of the mesh, so no more
 * often.
 */
export class Advertiser {
  readonly #parts: AdvertiserParts
  #sequence = 0
  #sentAtMs = Number.NEGATIVE_INFINITY
  #saidAtMs: number | undefined
  #disarm: (() => void) | undefined
  #dueMs = Number.POSITIVE_INFINITY
  #sending: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(parts: AdvertiserParts) {
    this.#parts = parts
  }

  /** Milliseconds since the last one went out; undefined before the first. */
  get ageMs(): number | undefined {
    return this.#saidAtMs === undefined ? undefined : this.#parts.clock.bootMs() - this.#saidAtMs
  }

  /** Something has changed; several changes at once are one advertisement. */
  changed(): void {
    const earliestMs = this.#sentAtMs + ADVERTISE_EVERY_MS_MIN
    this.#schedule(Math.max(0, earliestMs - this.#parts.clock.bootMs()))
  }

  /** Says goodbye: others see this agent as offline at once, not after two minutes. */
  async stop(): Promise<void> {
    this.silence()
    await this.#sending
    await this.#send(true)
  }

  /** Says nothing any more, not even goodbye. */
  silence(): void {
    this.#stopped = true
    this.#disarm?.()
  }

  #schedule(afterMs: number): void {
    if (this.#stopped) return
    const dueMs = this.#parts.clock.bootMs() + afterMs
    if (dueMs >= this.#dueMs) return
    this.#disarm?.()
    this.#dueMs = dueMs
    this.#disarm = this.#parts.clock.arm(afterMs, () => {
      this.#dueMs = Number.POSITIVE_INFINITY
      this.#sending = this.#sending.then(() => this.#send(false))
    })
  }

  async #send(leaving: boolean): Promise<void> {
    const { clock, random, log } = this.#parts
    this.#sentAtMs = clock.bootMs()
    this.#sequence += 1
    try {
      const statement = await this.#parts.state()
      const sentAtMs = clock.wallMs()
      await this.#parts.send({ ...statement, sequence: this.#sequence, sentAtMs, leaving })
      this.#saidAtMs = clock.bootMs()
    } catch (error) {
      log.warn({ err: error }, 'advertisement not sent')
    }
    const spread = 1 - SPREAD + 2 * SPREAD * random.next()
    this.#schedule(ADVERTISE_EVERY_MS * spread)
  }
}
