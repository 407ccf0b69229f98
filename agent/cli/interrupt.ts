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

  constructor({ signals, stdout }: InterruptParts) {
    this.#source = signals ?? process
    this.#stdout = stdout
    for (const name of SIGNALS) this.#source.on(name, this.#onEnd)
    // Of `agent logs -f JOB | head` the reader goes first.
    this.#stdout.on?.('error', this.#onEnd)
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  forget(): void {
    for (const name of SIGNALS) this.#source.off(name, this.#onEnd)
    this.#stdout.off?.('error', this.#onEnd)
  }

  readonly #onEnd = (): void => this.#abort.abort()
}
