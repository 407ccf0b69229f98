import { stopController } from './stop-controller.ts'

interface Flight<T> {
  readonly result: Promise<T>
  readonly end: AbortController
  waiting: number
}

/**
 * Work that callers who want the same wait for together. It has a signal of its own: one that gives
 * up only stops waiting, and the work ends when the last one did.
 */
export class SharedFlights<T> {
  readonly #flights = new Map<string, Flight<T>>()

  get size(): number {
    return this.#flights.size
  }

  has(name: string): boolean {
    return this.#flights.has(name)
  }

  /** Joins the work of that name, or starts it. Rejects as it does, or with the signal's reason. */
  async join(
    name: string,
    signal: AbortSignal | undefined,
    start: (signal: AbortSignal) => Promise<T>
  ): Promise<T> {
    signal?.throwIfAborted()
    const flight = this.#flights.get(name) ?? this.#begin(name, start)
    flight.waiting += 1
    try {
      return await orAborted(flight.result, signal)
    } finally {
      flight.waiting -= 1
      const isUnwanted = flight.waiting === 0 && this.#flights.get(name) === flight
      if (isUnwanted) this.#end(name, flight, signal?.reason)
    }
  }

  #begin(name: string, start: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const end = stopController()
    const flight = { result: start(end.signal), end, waiting: 0 }
    this.#flights.set(name, flight)
    const done = () => this.#forget(name, flight)
    flight.result.then(done, done)
    return flight
  }

  #end(name: string, flight: Flight<T>, reason: unknown): void {
    // First: whoever comes next must not join what was given up.
    this.#forget(name, flight)
    flight.end.abort(reason)
  }

  #forget(name: string, flight: Flight<T>): void {
    if (this.#flights.get(name) === flight) this.#flights.delete(name)
  }
}

async function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
