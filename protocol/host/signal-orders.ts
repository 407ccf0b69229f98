import type { EventEmitter } from 'node:events'

export interface SignalOrdersParts {
  /** Whose signals; this process when absent. */
  readonly source?: Pick<EventEmitter, 'on' | 'off'> | undefined
  /** What SIGHUP orders; never rejects. When absent, SIGHUP ends the process as it always did. */
  readonly hangUp?: (() => Promise<void>) | undefined
}

/**
 * What signals order a daemon to do: SIGTERM once, to end in order; again, or SIGINT, to go now;
 * SIGHUP, what the daemon makes of it.
 */
export class SignalOrders {
  readonly #source: Pick<EventEmitter, 'on' | 'off'>
  readonly #hangUp: (() => Promise<void>) | undefined
  readonly #first = Promise.withResolvers<void>()
  readonly #second = Promise.withResolvers<void>()
  /** One hang-up after the other: two reloads would race for who is last. */
  #hungUp: Promise<void> = Promise.resolve()
  #count = 0

  constructor(parts: SignalOrdersParts = {}) {
    this.#source = parts.source ?? process
    this.#hangUp = parts.hangUp
    this.#source.on('SIGTERM', this.#onTerm)
    this.#source.on('SIGINT', this.#onInterrupt)
    if (this.#hangUp !== undefined) this.#source.on('SIGHUP', this.#onHangUp)
  }

  get first(): Promise<void> {
    return this.#first.promise
  }

  get second(): Promise<void> {
    return this.#second.promise
  }

  forget(): void {
    this.#source.off('SIGTERM', this.#onTerm)
    this.#source.off('SIGINT', this.#onInterrupt)
    this.#source.off('SIGHUP', this.#onHangUp)
  }

  readonly #onTerm = (): void => {
    this.#count += 1
    if (this.#count > 1) this.#second.resolve()
    this.#first.resolve()
  }

  readonly #onInterrupt = (): void => {
    this.#second.resolve()
    this.#first.resolve()
  }

  readonly #onHangUp = (): void => {
    this.#hungUp = this.#hungUp.then(this.#hangUp)
  }
}
