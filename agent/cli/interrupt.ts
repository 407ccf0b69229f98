import type { EventEmitter } from 'node:events'

export type SignalSource = Pick<EventEmitter, 'on' | 'off'>

export interface InterruptParts {
  /** The process's own when absent. */
  readonly signals?: SignalSource | undefined
  readonly stdout: Pick<EventEmitter, 'on' | 'off'>
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const

/** Until `forget`, Ctrl-C and a closed pipe end a command by its signal, not the process. */
export class Interrupt {
  readonly #source: SignalSource
  readonly #stdout: InterruptParts['stdout']
  readonly #abort = new AbortController()
  #isUnread = false

  constructor({ signals, stdout }: InterruptParts) {
    this.#source = signals ?? process
    this.#stdout = stdout
    for (const name of SIGNALS) this.#source.on(name, this.#onEnd)
    // Of `agent logs -f JOB | head` the reader goes first.
    this.#stdout.on?.('error', this.#onUnread)
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** True where nobody reads any more what the command writes. */
  get isUnread(): boolean {
    return this.#isUnread
  }

  forget(): void {
    for (const name of SIGNALS) this.#source.off(name, this.#onEnd)
    this.#stdout.off?.('error', this.#onUnread)
  }

  readonly #onEnd = (): void => this.#abort.abort()

  readonly #onUnread = (): void => {
    this.#isUnread = true
    this.#onEnd()
  }
}
