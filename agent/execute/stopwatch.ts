/**
 * Milliseconds since it was made. For display: the boot clock of a lease only counts centiseconds.
 */
export class Stopwatch {
  readonly #startedMs = performance.now()

  ms(): number {
    return performance.now() - this.#startedMs
  }
}
